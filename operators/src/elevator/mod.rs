//! Elevators: who is trapped in one and how far help is; daily counters, what of a lift's past says something of its future, and what is foretold from that.
//!
//! Shape: per building, [`LiftRow`]s in, put [in order](LiftRow::in_order); [`Trapped`] tells who may be trapped, and [`reports_to`] makes of that what those who dispatch are
//! told. What trips measure says how each lift [wears](Wear), what is foretold from that which [visits](Visits) are worth most. What controllers report by number is put into one language by a [`CodeMap`], and made into faults by [`Faults`]. What ails a lift although nothing in it wears [`Troubles`] tell. [`LiftSim`] and [`WearSim`] make up lifts to try it all on. Per lift, [`DailyCounters`] in; [`History`] makes [`LiftDay`]s of them, each with the features that
//! [`Foretells`](crate::detect::Foretells) learns from and names for people to read ([`FEATURES`]).

mod at_work;
mod book;
mod code;
mod cost;
mod daily;
mod faults;
mod firm;
mod history;
mod record;
mod row;
mod sim;
mod tally;
#[cfg(test)]
mod tests;
mod trapped;
mod trip;
mod trouble;
mod visit;
mod wear;

pub use book::{Lift, LiftBook, Site};
pub use code::{CodeFamily, CodeMap, CodeMapError, Coded, FaultClass, LiftCode};
pub use cost::{ClassCost, CostConfig, CostOfYear, LiftRecord};
pub use daily::{CounterError, DailyCounters};
pub use faults::{Faults, FaultsState, LiftFault};
pub use firm::{FirmRecord, FirmScore, FirmScoring};
pub use history::{FEATURES, History, HistoryState, LiftDay};
pub use record::{LiftNews, LiftRecordState, LiftRecords, Recorded};
pub use row::{Doors, LiftMode, LiftRow, LiftRowId, LiftSays, LiftStatus, RescueStep};
pub use sim::{
    Breaks, Gateway, LiftDayRows, LiftSim, LiftSimConfig, PersonSensor, TrapCase, Trapping, WearSim, WearSimConfig,
    WornLift,
};
pub use tally::Tally;
pub use trapped::{
    Doubt, Goes, InCut, LiftInCut, LiftTold, ResponseConfig, SiteState, TRAPPED, Tells, Trap, TrapCause, TrapConfig,
    TrapWhy, Trapped, reports_to,
};
pub use trip::{LiftTotals, LiftTrip};
pub use trouble::{Ails, Trouble, Troubles, TroublesState};
pub use visit::{Outlook, Visit, Visits, WearModel};
pub use wear::{WEAR_FEATURES, Wear, WearDay, WearSign, WearState, WearWhy};
