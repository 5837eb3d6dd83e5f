//! The street: what `world.toml` says, and what is drawn from its seed.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use watchfire::connect::datagen::Draw;
use watchfire::crane::{ChartBook, RatedLoad};
use watchfire::geo::Position;

/// A place on the street's own grid.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Place {
    pub x_m: f64,
    pub y_m: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    pub name: String,
    pub seed: u64,
    pub origin: Origin,
    pub roads: Roads,
    pub counts: Counts,
    pub centre: Centre,
    /// The number of the head station.
    pub head_station: u32,
    /// Stations that keep supplies for all.
    pub depots: Vec<u32>,
    pub fires: Fires,
    pub lifts: Lifts,
    #[serde(rename = "station")]
    pub stations: Vec<Station>,
    #[serde(rename = "site")]
    pub sites: Vec<Site>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    pub datum: String,
    pub latitude_deg: f64,
    pub longitude_deg: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roads {
    pub columns: u32,
    pub rows: u32,
    pub block_m: f64,
    pub speed_mps: f64,
    pub arterial_every: u32,
    pub arterial_speed_mps: f64,
}

/// What burns, and what else happens on a bad day.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fires {
    pub an_hour: f64,
    /// The share that grows by a level after the first crew is there.
    pub growing_share: f64,
    pub work_min: u32,
    pub work_max: u32,
    pub closures_an_hour: f64,
    /// Hydrants, each at a corner.
    pub hydrants: u32,
}

/// What happens in lifts on a bad day.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifts {
    pub trapped_an_hour: f64,
    pub a_building: u32,
    /// How long a rescue takes when somebody is there, minutes.
    pub rescue_min: u32,
    pub rescue_max: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub businesses: u32,
    pub lifts: u32,
    pub people_alone_with_band: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Centre {
    pub x_m: f64,
    pub y_m: f64,
    pub on_site_within_min: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Station {
    pub number: u32,
    #[serde(default)]
    pub name: String,
    pub x_m: f64,
    pub y_m: f64,
    pub crew: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    pub name: String,
    pub x_m: f64,
    pub y_m: f64,
    pub cranes: u32,
    pub model: String,
}

/// The populations that are drawn and not listed.
const BUSINESSES: u32 = 1;
pub const LIFTS: u32 = 2;
const PEOPLE: u32 = 3;

impl World {
    /// The world that is shipped with the example, checked.
    pub fn shipped() -> Result<World, Box<dyn std::error::Error>> {
        let world: World = toml::from_str(include_str!("world.toml"))?;
        let wrong = world.findings();
        if wrong.is_empty() { Ok(world) } else { Err(format!("world.toml: {}", wrong.join("; ")).into()) }
    }

    /// Everything that is wrong with the world, at once.
    fn findings(&self) -> Vec<String> {
        let Roads { columns, rows, block_m, speed_mps, arterial_every, arterial_speed_mps } = self.roads;
        let (width_m, height_m) = (f64::from(columns) * block_m, f64::from(rows) * block_m);
        let mut wrong = Vec::new();
        if self.origin.datum != "WGS-84" {
            wrong.push(format!("datum \"{}\": the street's origin is given in WGS-84", self.origin.datum));
        }
        if !(-90.0..=90.0).contains(&self.origin.latitude_deg) || !(-180.0..=180.0).contains(&self.origin.longitude_deg)
        {
            wrong.push("the origin is not on the globe".to_owned());
        }
        if !(block_m > 0.0 && speed_mps > 0.0 && arterial_speed_mps >= speed_mps && arterial_every > 0) {
            wrong.push("roads need positive lengths and speeds, and arterials are no slower than streets".to_owned());
        }
        if self.centre.on_site_within_min == 0 {
            wrong.push("nobody is on site within 0 minutes".to_owned());
        }
        let centre = ("the centre".to_owned(), Place { x_m: self.centre.x_m, y_m: self.centre.y_m });
        let stations =
            self.stations.iter().map(|s| (format!("station {}", s.number), Place { x_m: s.x_m, y_m: s.y_m }));
        let sites = self.sites.iter().map(|s| (format!("site \"{}\"", s.name), Place { x_m: s.x_m, y_m: s.y_m }));
        for (what, place) in std::iter::once(centre).chain(stations).chain(sites) {
            if !(0.0..=width_m).contains(&place.x_m) || !(0.0..=height_m).contains(&place.y_m) {
                wrong.push(format!("{what} lies outside the street's grid"));
            }
        }
        for number in self.depots.iter().chain([&self.head_station]) {
            if !self.stations.iter().any(|station| station.number == *number) {
                wrong.push(format!("there is no station {number}"));
            }
        }
        let Fires { an_hour, growing_share, work_min, work_max, closures_an_hour, .. } = self.fires;
        if !(an_hour >= 0.0 && closures_an_hour >= 0.0 && (0.0..=1.0).contains(&growing_share) && work_min < work_max) {
            wrong.push("fires are drawn from rates, a share and a range of minutes".to_owned());
        }
        let Lifts { trapped_an_hour, a_building, rescue_min, rescue_max } = self.lifts;
        if !(trapped_an_hour >= 0.0 && a_building > 0 && rescue_min < rescue_max) {
            wrong.push(
                "people trapped in lifts are drawn from a rate, lifts of a building and a range of minutes".to_owned(),
            );
        }
        wrong.extend(self.stations.iter().filter(|s| s.crew == 0).map(|s| format!("station {} has no crew", s.number)));
        wrong
    }

    /// Where the grid begins.
    pub fn origin(&self) -> Result<Position, watchfire::Error> {
        Position::from_degrees(self.origin.latitude_deg, self.origin.longitude_deg)
    }

    /// The numbers of a site's cranes; cranes are numbered through, from 1.
    pub fn cranes_of(&self, site: usize) -> Range<u32> {
        let before: u32 = self.sites.iter().take(site).map(|site| site.cranes).sum();
        before + 1..before + 1 + self.sites[site].cranes
    }

    pub fn cranes(&self) -> u32 {
        self.sites.iter().map(|site| site.cranes).sum()
    }

    /// The rated load charts of the street's cranes.
    pub fn charts(&self) -> Result<ChartBook, Box<dyn std::error::Error>> {
        let mut cranes = BTreeMap::new();
        for (index, site) in self.sites.iter().enumerate() {
            let numbers: Vec<String> = self.cranes_of(index).map(|n| n.to_string()).collect();
            cranes.entry(site.model.as_str()).or_insert_with(Vec::new).extend(numbers);
        }
        let mut book = String::new();
        for model in [RatedLoad::qtz63(), RatedLoad::qtz80()] {
            book += &format!("[[model]]\nname = \"{}\"\n", model.model());
            for curve in model.curves() {
                let points: Vec<String> = curve.points().map(|(r, q)| format!("[{r:?}, {q:?}]")).collect();
                book += &format!(
                    "[[model.reeving]]\nfalls = {}\ncap_kg = {:?}\npoints = [{}]\n",
                    curve.falls(),
                    curve.cap_kg(),
                    points.join(", ")
                );
            }
        }
        book += "[cranes]\n";
        for (model, numbers) in cranes {
            book += &format!("{model} = [{}]\n", numbers.join(", "));
        }
        Ok(ChartBook::from_toml(&book)?)
    }

    /// The address of one of a population: a corner of the grid, and a little along the street.
    fn address(&self, population: u32, n: u32) -> Place {
        let mut draw = Draw::new(self.seed, population, u64::from(n));
        let corner = |cells: u32, draw: &mut Draw| draw.between(0, i64::from(cells) + 1) as f64 * self.roads.block_m;
        let (x_m, y_m) = (corner(self.roads.columns, &mut draw), corner(self.roads.rows, &mut draw));
        let along_m = draw.unit() * self.roads.block_m;
        if draw.bits() & 1 == 0 { Place { x_m: x_m + along_m, y_m } } else { Place { x_m, y_m: y_m + along_m } }
    }

    pub fn businesses(&self) -> impl Iterator<Item = Place> {
        (0..self.counts.businesses).map(|n| self.address(BUSINESSES, n))
    }

    /// Homes of old people who live alone: places and numbers, never names.
    pub fn homes(&self) -> impl Iterator<Item = Place> {
        (0..self.counts.people_alone_with_band).map(|n| self.address(PEOPLE, n))
    }

    /// One line that says what there is.
    pub fn summary(&self) -> String {
        format!(
            "{}: {} businesses, {} lifts, {} people alone, {} stations ({} is the head), {} cranes on {} sites",
            self.name,
            self.businesses().count(),
            self.counts.lifts,
            self.homes().count(),
            self.stations.len(),
            self.stations.iter().find(|of| of.number == self.head_station).map_or("none", |of| of.name.as_str()),
            self.cranes(),
            self.sites.len()
        )
    }
}
