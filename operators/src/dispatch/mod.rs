//! Dispatch: who goes where, so that nobody waits longer than they must.
//!
//! What is reported ([`Report`]) goes to those who dispatch ([`Desk`]), who know all incidents and responders of a theatre ([`DeskState`]) and tell what is
//! to be done ([`Dispatch`]); [`Dispatching`] is the desk as a detector of the engine. All open incidents are planned together: each asks for crews in
//! slots ([`DemandConfig`], [`Need`]), and [`PlanConfig::plan`] says who goes, by the assignment that costs least ([`Problem`]), exactly.
//! What matters more is a place of its own in a [`Cost`], so that no number of seconds outweighs it.

mod assign;
mod change;
mod config;
mod cost;
mod cover;
mod demand;
mod desk;
mod detector;
mod explain;
mod incident;
mod notice;
mod plan;
mod report;
mod responder;
mod scene;
mod supply;

pub use assign::{Assignment, Problem};
pub use change::{
    Basis, Because, By, Coverage, Dispatch, Eta, IncidentTold, PlanChange, Refused, RunnerUp, Standing, Tells,
};
pub use config::{DispatchConfig, Station};
pub use cost::Cost;
pub use cover::CoverConfig;
pub use demand::{CauseDemand, Demand, DemandConfig};
pub use desk::{Desk, DeskState, Planned};
pub use detector::Dispatching;
pub use incident::{Incident, Raised, Source, Stage, Timeline};
pub use notice::{About, Answer, Message, NoticeConfig, NoticeId, Recipient};
pub use plan::{Crew, Duty, Going, Missing, Need, Offered, Order, Plan, PlanConfig, Skills, Slot};
pub use report::{Person, Report, RoadTold, Says};
pub use responder::{Claim, Fix, Member, Mode, Move, Offer, Responder, Status};
pub use supply::{Supply, SupplyFrom, WaterFrom, WaterSource};
