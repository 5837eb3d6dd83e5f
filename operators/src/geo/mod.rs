//! Places, once for all domains: every coordinate is [WGS-84](Position) from the moment it is decoded.
//!
//! What a source calls a coordinate depends on its [`Datum`]: phones and maps in China speak GCJ-02 or BD-09, surveyors of a site its own
//! grid. GCJ-02 read as WGS-84 is off by some 370 m in Chengdu, which is the wrong fire station. So a source declares its datum, once, with
//! the time zone of times without an offset ([`Declares`]); nothing is assumed where it does not.

mod datum;
mod declares;
mod position;

pub use datum::{Datum, SiteGrid};
pub use declares::Declares;
pub use position::Position;
