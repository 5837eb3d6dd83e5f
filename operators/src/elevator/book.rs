//! The lifts of a district: where each stands, and who may work on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use watchfire_engine::Key;

use super::{LiftRow, LiftSays};
use crate::dispatch::Skills;
use crate::geo::Position;

/// What is known of a lift beforehand.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::Lift;
/// let lift: Lift = toml::from_str("building = 7\nplace = [305000000, 1040700000]\nlicence = 4\nfirm = 2")?;
/// assert!(lift.senses_people && lift.district == 0);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lift {
    /// The building: its lifts lose their power together. None stands alone.
    pub building: Option<u32>,
    /// Where it is. Without a place people are asked at once where to go.
    pub place: Option<Position>,
    /// The district that answers for it.
    pub district: u32,
    /// What a mechanic must be able to do to work on it: the licence for its brand.
    pub licence: Skills,
    /// The firm that maintains it.
    pub firm: u32,
    /// It has a sensor that tells whether somebody is in the car. Where it has none, a lift that is parked is no reason to look.
    pub senses_people: bool,
}

impl Default for Lift {
    /// Alone, nowhere, and with a sensor.
    fn default() -> Self {
        Lift { building: None, place: None, district: 0, licence: Skills(0), firm: 0, senses_people: true }
    }
}

/// Lifts that are watched together: those of a building, or one alone. The key of [`Trapped`](super::Trapped).
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::Site;
/// assert_ne!(Site::building(7), Site::alone(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site(u64);

impl Site {
    /// Of a building.
    #[must_use]
    pub fn building(building: u32) -> Self {
        Site(u64::from(building))
    }

    /// Of a lift that stands alone.
    #[must_use]
    pub fn alone(lift: u32) -> Self {
        Site(1 << 32 | u64::from(lift))
    }
}

impl Key for Site {
    fn stable_hash(&self) -> u64 {
        self.0.stable_hash()
    }
}

/// All lifts that are known.
///
/// # Examples
/// ```
/// use watchfire_operators::elevator::{Lift, LiftBook, Site};
/// let of = |building| Lift { building, ..Lift::default() };
/// let book = LiftBook::new([(1, of(Some(7))), (2, of(Some(7))), (3, of(None))]);
/// assert_eq!((book.site(2), book.site(3)), (Site::building(7), Site::alone(3)));
/// assert_eq!(book.site(99), Site::alone(99), "nobody knows where it is, and it is watched all the same");
/// assert_eq!(book.lifts_of(Site::building(7)), [1, 2]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiftBook {
    lifts: BTreeMap<u32, Lift>,
    sites: BTreeMap<Site, Vec<u32>>,
}

impl LiftBook {
    /// Of these lifts, by number; of two of one number the last.
    #[must_use]
    pub fn new(lifts: impl IntoIterator<Item = (u32, Lift)>) -> Self {
        let mut book = LiftBook { lifts: lifts.into_iter().collect(), sites: BTreeMap::new() };
        for number in book.lifts.keys() {
            book.sites.entry(book.site(*number)).or_default().push(*number);
        }
        book
    }

    /// A lift; none if nobody has said anything of it.
    #[must_use]
    pub fn lift(&self, number: u32) -> Option<&Lift> {
        self.lifts.get(&number)
    }

    /// All of them, rising.
    pub fn lifts(&self) -> impl ExactSizeIterator<Item = (u32, &Lift)> {
        self.lifts.iter().map(|(number, lift)| (*number, lift))
    }

    /// With which others a lift is watched. One that is not known is watched alone.
    #[must_use]
    pub fn site(&self, number: u32) -> Site {
        self.lifts.get(&number).and_then(|lift| lift.building).map_or(Site::alone(number), Site::building)
    }

    /// A row, for each lift that it is about: of [power](LiftSays::Power) all of the building, of all else its own. For detectors that are keyed by lift.
    ///
    /// # Examples
    /// ```
    /// use watchfire_operators::elevator::{Lift, LiftBook, LiftRow, LiftSays};
    /// let book = LiftBook::new([1, 2].map(|lift| (lift, Lift { building: Some(7), ..Lift::default() })));
    /// let of = |says| book.each(LiftRow { lift: 2, at_ms: 0, says }).map(|row| row.lift).collect::<Vec<_>>();
    /// assert_eq!((of(LiftSays::Power { lost: true }), of(LiftSays::OffSite)), (vec![2, 1], vec![2]));
    /// ```
    pub fn each(&self, row: LiftRow) -> impl Iterator<Item = LiftRow> + use<> {
        let others = match &row.says {
            LiftSays::Power { .. } => self.lifts_of(self.site(row.lift)),
            _ => &[],
        };
        let others: Vec<LiftRow> = others
            .iter()
            .filter(|lift| **lift != row.lift)
            .map(|lift| LiftRow { lift: *lift, ..row.clone() })
            .collect();
        std::iter::once(row).chain(others)
    }

    /// The lifts of a site that are known, rising.
    #[must_use]
    pub fn lifts_of(&self, site: Site) -> &[u32] {
        self.sites.get(&site).map_or(&[], Vec::as_slice)
    }
}
