//! How well those who stand by cover what may happen, and who moves up, or home again.

use std::collections::BTreeMap;

use super::Desk;
use super::plan::is_of_plan;
use super::reach::WorkedOut;
use super::turn::Turn;
use crate::dispatch::cover::{Cover, MoveUp};
use crate::dispatch::{Member, Move, Order, Status, Tells};

/// Who stands by where, by the trees of stations.
struct StandBy {
    cover: Cover,
    crews: Vec<u32>,
    /// The same, with those who are on their way to stand by at another station.
    soon: Vec<u32>,
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
        // Crews are moved up while something is open, and as long as a station is left bare.
        if is_open {
            desk.moves_on(reach, members, &mut standing, &mut moves);
            desk.moves_up(reach, members, &mut standing, &mut moves);
        }
        desk.moves_home(reach, members, &mut standing, &mut moves, is_open);
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

    /// When a responder that sets out now is at a station, arrival clock, milliseconds; never, as far as anybody knows, if there is no way.
    pub(super) fn there_ms(&mut self, id: u64, station: u32) -> i64 {
        let (desk, now_ms) = (self.desk, self.now_ms);
        let (reach, _, members) = self.state.parts(desk);
        let Some(member) = members.get(&id) else { return i64::MAX };
        let way = desk.station(member.post(now_ms)).zip(desk.station(station));
        let travel_ms = way.and_then(|(from, to)| reach.stations.time_ms(from, desk.stations[to].1));
        let takes_ms = travel_ms.map(|travel_ms| desk.takes_ms(member, travel_ms, now_ms));
        takes_ms.map_or(i64::MAX, |takes_ms| now_ms.saturating_add(i64::try_from(takes_ms).unwrap_or(i64::MAX)))
    }
}

impl Desk {
    fn standing(&self, reach: &WorkedOut, members: &BTreeMap<u64, Member>, now_ms: i64) -> StandBy {
        let trees = &reach.stations;
        let cover = self.cover(|tree, node| trees.time_ms(tree, node));
        let (mut crews, mut who) = (vec![0; self.stations.len()], BTreeMap::<usize, Vec<u64>>::new());
        let mut soon = crews.clone();
        for (id, member) in members {
            let leaves = member.offer.is_some_and(|offer| is_of_plan(offer.to));
            // Who is to stay where it is cannot be sent, nor moved.
            let stays = matches!(member.ordered, Some((Order::Stays, _)));
            let stands = self.stands_by(member, now_ms) && self.can_be_sent(member, now_ms) && !leaves && !stays;
            if let Some(tree) = self.station(member.post(now_ms)).filter(|_| stands) {
                crews[tree] += 1;
                soon[tree] += 1;
                who.entry(tree).or_default().push(*id);
            } else if let Some(tree) = self.moving_to(member, now_ms) {
                soon[tree] += 1;
            }
        }
        StandBy { cover, crews, soon, who }
    }

    /// The station to which somebody is on the way to stand by there; who is overdue for as long as a move may take is not expected any more.
    fn moving_to(&self, member: &Member, now_ms: i64) -> Option<usize> {
        let late_ms = i64::from(self.config.cover.move_max_ms);
        let idle = member.status == Status::Available && member.claim.is_none();
        let covers = member.covers.filter(|(_, from_ms)| idle && now_ms < from_ms.saturating_add(late_ms));
        covers.and_then(|(station, _)| self.station(station))
    }

    /// Moves that are recommended already stay so as long as they are worth it.
    fn moves_on(
        &self,
        reach: &WorkedOut,
        members: &BTreeMap<u64, Member>,
        standing: &mut StandBy,
        moves: &mut Vec<(u64, Move)>,
    ) {
        for (id, member) in members {
            let Some(Move::MoveUp { station }) = member.offer.map(|offer| offer.to) else { continue };
            let from = standing.who.iter().find(|(_, crews)| crews.contains(id)).map(|(from, _)| *from);
            let Some((from, to)) = from.zip(self.station(station)) else { continue };
            let (way, config) = (MoveUp { from, to }, &self.config.cover);
            let gains = -standing.cover.loses_permille(&standing.soon, way, config) >= f64::from(config.gain_permille);
            if moves.len() < config.moves_max && gains && self.is_near(reach, way) {
                standing.moves(*id, way);
                moves.push((*id, Move::MoveUp { station }));
            }
        }
    }

    fn is_near(&self, reach: &WorkedOut, MoveUp { from, to }: MoveUp) -> bool {
        let way_ms = reach.stations.time_ms(from, self.stations[to].1);
        way_ms.is_some_and(|ms| ms <= self.config.cover.move_max_ms)
    }

    fn moves_up(
        &self,
        reach: &WorkedOut,
        members: &BTreeMap<u64, Member>,
        standing: &mut StandBy,
        moves: &mut Vec<(u64, Move)>,
    ) {
        let config = &self.config.cover;
        while moves.len() < config.moves_max && standing.soon.contains(&0) {
            let who = |way: MoveUp| {
                let to = self.stations[way.to].0;
                let wanted = |id: &&u64| members.get(id).is_some_and(|of| !of.not_cover.contains(&to));
                let crews = standing.who.get(&way.from).filter(|_| self.is_near(reach, way));
                crews.and_then(|crews| crews.iter().find(wanted)).copied()
            };
            let Some(way) = standing.cover.best_move(&standing.soon, config, |way| who(way).is_some()) else { break };
            let Some(id) = who(way) else { break };
            standing.moves(id, way);
            moves.push((id, Move::MoveUp { station: self.stations[way.to].0 }));
        }
    }

    /// Whoever covers another station goes home when that costs next to nothing: half of what would make it move up, so that nobody goes to and fro;
    /// and when nothing is open any more, and others stand by there.
    fn moves_home(
        &self,
        reach: &WorkedOut,
        members: &BTreeMap<u64, Member>,
        standing: &mut StandBy,
        moves: &mut Vec<(u64, Move)>,
        is_open: bool,
    ) {
        let config = &self.config.cover;
        let away = standing.who.iter().flat_map(|(tree, crews)| crews.iter().map(|id| (*id, *tree)));
        for (id, from) in away.collect::<Vec<_>>() {
            let home = members.get(&id).map(|member| member.is.station);
            let declined = |home: u32| members.get(&id).is_some_and(|member| member.not_cover.contains(&home));
            let Some(home) = home.filter(|home| !declined(*home)) else { continue };
            let Some(to) = self.station(home).filter(|to| *to != from) else { continue };
            let way = MoveUp { from, to };
            if !self.is_near(reach, way) {
                continue;
            }
            let may_lose = f64::from(config.gain_permille) / 2.0;
            let is_needed = is_open || standing.soon[from] < 2;
            let loses = standing.cover.loses_permille(&standing.soon, way, config);
            if moves.len() < config.moves_max && (!is_needed || loses <= may_lose) {
                standing.moves(id, way);
                moves.push((id, Move::MoveUp { station: home }));
            }
        }
    }
}

impl StandBy {
    fn moves(&mut self, id: u64, MoveUp { from, to }: MoveUp) {
        self.soon[from] -= 1;
        self.soon[to] += 1;
        self.who.entry(from).or_default().retain(|of| *of != id);
    }
}
