//! How well those who stand by cover what may happen, and who moves up, or home again.

use std::collections::BTreeMap;

use super::Desk;
use super::plan::is_of_plan;
use super::reach::WorkedOut;
use super::turn::Turn;
use crate::dispatch::cover::{Cover, MoveUp};
use crate::dispatch::{Member, Move, Tells};

/// Who stands by where, by the trees of stations.
struct StandBy {
    cover: Cover,
    crews: Vec<u32>,
    who: BTreeMap<usize, Vec<u64>>,
}

impl Turn<'_> {
    /// Tells how well the theatre is covered, if that has changed, and who should move up or home.
    pub(super) fn coverage(&mut self) {
        let (desk, now_ms, is_open) = (self.desk, self.now_ms, !self.state.incidents.is_empty());
        let (reach, _, members) = self.state.parts(desk);
        let mut standing = desk.standing(reach, members, now_ms);
        let mut coverage = standing.cover.by(&standing.crews, desk.config.cover.busy_pct);
        let bare = desk.stations.iter().zip(&standing.crews).filter(|(_, crews)| **crews == 0);
        coverage.bare = bare.map(|((number, _), _)| *number).collect();
        let mut moves = Vec::new();
        // Crews are moved up while something is open, and where somebody has left.
        if is_open && !coverage.bare.is_empty() {
            desk.moves_up(reach, members, &mut standing, &mut moves);
        }
        desk.moves_home(members, &mut standing, &mut moves);
        if coverage != self.state.coverage {
            self.state.coverage = coverage.clone();
            self.tell(Tells::Coverage(coverage));
        }
        self.recommend_moves(&moves);
    }

    fn recommend_moves(&mut self, moves: &[(u64, Move)]) {
        let wanted = |id: u64| moves.iter().find(|(of, _)| *of == id).map(|(_, to)| *to);
        let offered = self.state.members.iter().filter_map(|(id, member)| Some((*id, member.offer?.to)));
        let offered: Vec<(u64, Move)> = offered.filter(|(_, to)| !is_of_plan(*to)).collect();
        for (id, to) in offered {
            if wanted(id) != Some(to) {
                self.withdraw(id);
            }
        }
        for (id, to) in moves {
            if self.state.members.get(id).is_some_and(|member| member.offer.is_none()) {
                let change = self.new_change();
                self.recommend(*id, change, *to, None);
            }
        }
    }

    /// When a responder that sets out now is at a station, arrival clock, milliseconds.
    pub(super) fn there_ms(&mut self, id: u64, station: u32) -> i64 {
        let (desk, now_ms) = (self.desk, self.now_ms);
        let (reach, _, members) = self.state.parts(desk);
        let post = members.get(&id).and_then(|member| desk.station(member.post(now_ms)));
        let way = post.zip(desk.station(station));
        let way_ms = way.and_then(|(from, to)| reach.stations.time_ms(from, desk.stations[to].1));
        let way_ms = way_ms.unwrap_or(0).saturating_add(desk.config.turnout_ms);
        now_ms.saturating_add(i64::from(way_ms))
    }
}

impl Desk {
    fn standing(&self, reach: &WorkedOut, members: &BTreeMap<u64, Member>, now_ms: i64) -> StandBy {
        let trees = &reach.stations;
        let cover = self.cover(|tree, node| trees.time_ms(tree, node));
        let (mut crews, mut who) = (vec![0; self.stations.len()], BTreeMap::<usize, Vec<u64>>::new());
        for (id, member) in members {
            let leaves = member.offer.is_some_and(|offer| is_of_plan(offer.to));
            let stands = self.stands_by(member, now_ms) && self.can_be_sent(member, now_ms) && !leaves;
            if let Some(tree) = self.station(member.post(now_ms)).filter(|_| stands) {
                crews[tree] += 1;
                who.entry(tree).or_default().push(*id);
            }
        }
        StandBy { cover, crews, who }
    }

    fn moves_up(
        &self,
        reach: &WorkedOut,
        members: &BTreeMap<u64, Member>,
        standing: &mut StandBy,
        moves: &mut Vec<(u64, Move)>,
    ) {
        let config = &self.config.cover;
        while moves.len() < config.moves_max {
            let who = |MoveUp { from, to }: MoveUp| {
                let to_ms = reach.stations.time_ms(from, self.stations[to].1);
                let near = to_ms.is_some_and(|ms| ms <= config.move_max_ms);
                let wanted = |id: &&u64| members.get(id).is_some_and(|of| !of.not_cover.contains(&self.stations[to].0));
                standing.who.get(&from).filter(|_| near).and_then(|crews| crews.iter().find(wanted)).copied()
            };
            let Some(way) = standing.cover.best_move(&standing.crews, config, |way| who(way).is_some()) else { break };
            let Some(id) = who(way) else { break };
            standing.moves(id, way);
            moves.push((id, Move::MoveUp { station: self.stations[way.to].0 }));
        }
    }

    /// Whoever covers another station goes home when that costs next to nothing: half of what would make it move up, so that nobody goes to and fro.
    fn moves_home(&self, members: &BTreeMap<u64, Member>, standing: &mut StandBy, moves: &mut Vec<(u64, Move)>) {
        let config = &self.config.cover;
        let away = standing.who.iter().flat_map(|(tree, crews)| crews.iter().map(|id| (*id, *tree)));
        for (id, from) in away.collect::<Vec<_>>() {
            let home = members.get(&id).map(|member| member.is.station);
            let declined = |home: u32| members.get(&id).is_some_and(|member| member.not_cover.contains(&home));
            let Some(home) = home.filter(|home| !declined(*home)) else { continue };
            let Some(to) = self.station(home).filter(|to| *to != from) else { continue };
            let way = MoveUp { from, to };
            let may_lose = f64::from(config.gain_permille) / 2.0;
            if moves.len() < config.moves_max && standing.cover.loses_permille(&standing.crews, way, config) <= may_lose
            {
                standing.moves(id, way);
                moves.push((id, Move::MoveUp { station: home }));
            }
        }
    }
}

impl StandBy {
    fn moves(&mut self, id: u64, MoveUp { from, to }: MoveUp) {
        self.crews[from] -= 1;
        self.crews[to] += 1;
        self.who.entry(from).or_default().retain(|of| *of != id);
    }
}
