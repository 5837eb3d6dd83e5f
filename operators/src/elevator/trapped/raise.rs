//! From a trapping to those who dispatch.

use super::told::{Goes, LiftTold, Tells, Trap};
use crate::alarm::Severity;
use crate::dispatch::{Raised, Report, Says, Skills};
use crate::elevator::LiftBook;

/// The cause of an incident in which people are trapped in a lift.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::Says;
/// use watchfire_operators::elevator::{LiftBook, LiftTold, Site, TRAPPED, Tells, Trap, reports_to};
/// let tells = Tells::Escalated { lift: 31, nth: 1, level: 2, trap: Trap::Trapped };
/// let report = reports_to(1, &LiftBook::default(), &LiftTold { site: Site::alone(31), at_ms: 1_000, tells });
/// assert!(report.is_some_and(|report| matches!(report.says, Says::Raised(raised) if raised.cause == TRAPPED)));
/// ```
pub const TRAPPED: &str = "trapped";

/// What those who dispatch are to be told of it: somebody who has the licence for the lift's brand is to come, the more urgently the surer it is, and more people the longer it takes.
/// Nothing while whoever works on the lift is asked first; that comes when they do not answer.
///
/// Told again, it is the same incident, for its source is; another lift of the building is another one, for its asset is. People close it there as well as here, for either may know more.
///
/// # Examples
/// ```
/// use watchfire_operators::dispatch::{Says, Skills};
/// use watchfire_operators::elevator::{Lift, LiftBook, LiftTold, Site, Tells, Trap, reports_to};
/// let book = LiftBook::new([(31, Lift { building: Some(7), licence: Skills(4), ..Lift::default() })]);
/// let tells = Tells::Escalated { lift: 31, nth: 1, level: 3, trap: Trap::Trapped };
/// let report = reports_to(1, &book, &LiftTold { site: Site::building(7), at_ms: 1_000, tells });
/// let Some(Says::Raised(raised)) = report.map(|report| report.says) else { return };
/// assert_eq!(raised.asset.as_deref(), Some("lift/31"));
/// assert_eq!((raised.source.as_str(), raised.cause.as_str(), raised.level, raised.asks), ("lift/31/trapped/1", "trapped", 3, Skills(4)));
/// ```
#[must_use]
pub fn reports_to(theatre: u32, book: &LiftBook, told: &LiftTold) -> Option<Report> {
    let (lift, nth, trap, level) = match &told.tells {
        Tells::Raised { lift, nth, trap, goes: Goes::Dispatch, level, .. }
        | Tells::Goes { lift, nth, trap, goes: Goes::Dispatch, level }
        | Tells::Escalated { lift, nth, trap, level } => (*lift, *nth, *trap, *level),
        _ => return None,
    };
    let known = book.lift(lift);
    let raised = Raised {
        source: format!("lift/{lift}/trapped/{nth}"),
        cause: TRAPPED.to_owned(),
        place: known.and_then(|lift| lift.place),
        asset: Some(format!("lift/{lift}")),
        severity: if trap == Trap::Possibly { Severity::Alarm } else { Severity::Critical },
        level,
        district: known.map_or(0, |lift| lift.district),
        asks: known.map_or(Skills(0), |lift| lift.licence),
        drill: false,
    };
    Some(Report { theatre, at_ms: told.at_ms, says: Says::Raised(raised) })
}
