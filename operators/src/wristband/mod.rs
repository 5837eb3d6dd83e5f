//! What bands tell of old people who live alone: scores, and what is wrong with them.
//!
//! [`Bands`] tells whose the rows of a band are. [`News2`] scores what is known of their vitals; [`PulseWatch`] learns what pulse is usual of each, and tells where it is not; [`NoSignal`] tells of whom nothing is heard for longer than is usual; [`FallWatch`] tells who has fallen; [`Outages`] tell who is unprotected while nothing is heard of a gateway. All of them tell [`Concern`]s: [`Confirm`] finds out whether these people are well, and [`sends_to`] them whom [`dispatch`](crate::dispatch) finds. What a person's body tells is nobody's business who does not care for them: it is in no `Debug`.

mod bands;
mod care;
mod chart;
mod concern;
mod fall;
mod late;
mod minute;
mod motion;
mod news2;
mod no_signal;
mod outage;
mod pulse;
mod row;
mod slots;
mod timeline;
mod vital;
mod worn;

pub use bands::{BandRow, BandState, BandTold, Bands, Misread, Sends};
pub use care::{
    Answer, Ask, CareRow, CareSays, CareState, CareTally, CareTells, CareTold, Cause, Confirm, FalseBudget, Home,
    Press, Refusal, ReviewWhy, SentWhy, Step, StepTally, UNWELL, sends_to, unwell_demand,
};
pub use chart::{News2Risk, News2Score, News2Vitals};
pub use concern::{Concern, Evidence, Grade, Sign};
pub use fall::{FallModel, FallRule, FallState, FallTells, FallTrial, FallWatch, Scale};
pub use motion::{Acceleration, MotionRow, STANDARD_GRAVITY_M_S2};
pub use news2::{EarlyWarning, Missing, News2, News2Input, News2State, Validity};
pub use no_signal::{NoSignal, NoSignalState};
pub use outage::{
    GatewayRow, GatewaySays, GatewayState, OutageTells, OutageTold, Outages, UNPROTECTED, Unprotected, outage_to,
};
pub use pulse::{Above, Lasting, PulseState, PulseTells, PulseWatch, Watched};
pub use row::{Clinician, VitalRow, VitalSays};
pub use vital::{Consciousness, Measured, Spo2Scale, Supply, Vital, VitalSet};
pub use worn::{BandSays, Wearer, WornRow};
