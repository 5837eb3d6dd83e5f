//! A crew as it drives: where it is, where it goes, and what it says on the way.

use std::collections::VecDeque;

use watchfire::road::{ArcId, NodeId, Roads, Trees};

/// Where a crew goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    Station(u32),
    Incident(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It stands by in a station.
    Inside,
    /// It is about to leave where it is.
    Leaving,
    /// It is on a street.
    Driving,
    OnScene,
}

#[derive(Clone, Debug)]
pub struct Crew {
    pub home: u32,
    /// The last corner.
    pub at: NodeId,
    pub aim: Aim,
    pub doing: Doing,
    /// The streets that are left.
    way: VecDeque<ArcId>,
    /// It has been told to go elsewhere since it looked for the way.
    turns: bool,
    /// When it said where it is, milliseconds.
    pub seen_ms: i64,
}

impl Crew {
    pub fn of(home: u32, at: NodeId) -> Crew {
        let (aim, way) = (Aim::Station(home), VecDeque::new());
        Crew { home, at, aim, doing: Doing::Inside, way, turns: false, seen_ms: 0 }
    }

    /// It is to go elsewhere: whoever drives turns at the next corner. Whether it has to get going first.
    pub fn turns_to(&mut self, aim: Aim) -> bool {
        (self.aim, self.turns) = (aim, true);
        let gets_going = matches!(self.doing, Doing::Inside | Doing::OnScene);
        if gets_going {
            self.doing = Doing::Leaving;
        }
        gets_going
    }

    /// The next street on the way to a place; none if it is there, or if there is no way.
    pub fn next_street(&mut self, roads: &Roads, to: NodeId) -> Option<ArcId> {
        let is_open = |arc: &ArcId| roads.time_ms(*arc).is_some();
        if self.turns || self.way.front().is_none_or(|arc| !is_open(arc)) {
            let route = Trees::new(roads, [self.at]).route(roads, 0, to);
            (self.way, self.turns) = (route.unwrap_or_default().into(), false);
        }
        self.doing = if self.way.is_empty() { Doing::Leaving } else { Doing::Driving };
        self.way.pop_front()
    }
}
