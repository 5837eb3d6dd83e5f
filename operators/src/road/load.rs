//! Networks from tables of nodes and arcs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::network::{Network, NetworkBuilder};
use crate::geo::Datum;

/// How two CSV texts say what a network is, in the format of JEMSS (Ridler, Mason and Raith 2022): tables that begin with a line of their
/// name, followed by a line with the names of their columns, and end with an empty line.
///
/// Table `nodes`: `index`, `x` (longitude), `y` (latitude) and, if it is there, `offRoadAccess` (0 where no road can be left). Table `arcs`:
/// `index`, `fromNode`, `toNode` and a column with the time of each mode of travel. The table `miscData` of the same text says by
/// `arcForm` whether an arc leads one way (`directed`) or both (`undirected`; the way back is called `INDEX back`).
///
/// # Examples
/// ```
/// use watchfire_operators::geo::Datum;
/// use watchfire_operators::road::CsvNetwork;
/// let nodes = "nodes,2\nindex,x,y,offRoadAccess\n1,104.07,30.50,1\n2,104.07,30.51,0\n";
/// let arcs = "miscData,1\narcForm,numModes\nundirected,1\n\narcs,1\nindex,fromNode,toNode,mode_1\n7,1,2,0.0005\n";
/// let network = CsvNetwork::new(Datum::Wgs84).load(nodes.as_bytes(), arcs.as_bytes())?;
/// let back = network.arc("7 back").ok_or("no way back")?;
/// assert_eq!((network.arcs_len(), network.free_ms(back)), (2, 43_200));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvNetwork {
    /// What coordinates mean.
    pub datum: Datum,
    /// The column of `arcs` with the times.
    #[serde(default = "CsvNetwork::first_mode")]
    pub mode: String,
    /// How many milliseconds one is in that column; days, by default.
    #[serde(default = "CsvNetwork::day_ms")]
    pub unit_ms: f64,
}

/// A line of a table, by the names of its columns.
struct Line<'a> {
    table: &'a str,
    at: u64,
    columns: &'a BTreeMap<String, usize>,
    fields: &'a csv::StringRecord,
}

impl Line<'_> {
    fn text(&self, column: &str) -> Result<&str, String> {
        let field = self.columns.get(column).and_then(|at| self.fields.get(*at)).map(str::trim);
        field.filter(|field| !field.is_empty()).ok_or_else(|| self.wrong(&format!("has no {column}")))
    }

    fn number(&self, column: &str) -> Result<f64, String> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.wrong(&format!("has {column} {text:?}, which is no number")))
    }

    /// A name that may be written as a number: 7 and 7.0 are one.
    fn name(&self, column: &str) -> Result<String, String> {
        let text = self.text(column)?;
        Ok(text.strip_suffix(".0").unwrap_or(text).to_owned())
    }

    fn wrong(&self, what: &str) -> String {
        format!("line {} of table {} {what}", self.at, self.table)
    }
}

impl CsvNetwork {
    /// Of times in days in the column `mode_1`.
    #[must_use]
    pub fn new(datum: Datum) -> Self {
        CsvNetwork { datum, mode: Self::first_mode(), unit_ms: Self::day_ms() }
    }

    fn first_mode() -> String {
        "mode_1".to_owned()
    }

    fn day_ms() -> f64 {
        86_400_000.0
    }

    /// The network.
    ///
    /// # Errors
    /// `E0181` with the first twenty things that are wrong.
    pub fn load(&self, nodes: &[u8], arcs: &[u8]) -> Result<Network, Error> {
        let mut map = Network::builder();
        for_each_line(nodes, &mut map, |map, line| match line.table {
            "nodes" => self.node(map, line),
            _ => Ok(()),
        });
        let mut both_ways = false;
        for_each_line(arcs, &mut map, |map, line| match line.table {
            "arcs" => self.arc(map, line, both_ways),
            "miscData" => {
                both_ways = match line.text("arcForm")? {
                    "directed" => false,
                    "undirected" => true,
                    other => return Err(line.wrong(&format!("has arcForm {other:?}, not directed or undirected"))),
                };
                Ok(())
            }
            _ => Ok(()),
        });
        if map.nodes_len() == 0 || map.arcs_len() == 0 {
            map.wrong("there is no table of nodes, or none of arcs, with lines in it".to_owned());
        }
        map.build()
    }

    fn node(&self, map: &mut NetworkBuilder, line: &Line<'_>) -> Result<(), String> {
        let (name, lat, lon) = (line.name("index")?, line.number("y")?, line.number("x")?);
        let place = self.datum.position(lat, lon).map_err(|error| line.wrong(&format!("is no place: {error}")))?;
        let enterable = !line.columns.contains_key("offRoadAccess") || line.number("offRoadAccess")? != 0.0;
        map.node(&name, place, enterable);
        Ok(())
    }

    fn arc(&self, map: &mut NetworkBuilder, line: &Line<'_>, both_ways: bool) -> Result<(), String> {
        let [name, from, to] = ["index", "fromNode", "toNode"].map(|column| line.name(column));
        let (name, from, to) = (name?, from?, to?);
        let time_ms = line.number(&self.mode)? * self.unit_ms;
        map.arc(&name, &from, &to, time_ms);
        if both_ways {
            map.arc(&format!("{name} back"), &to, &from, time_ms);
        }
        Ok(())
    }
}

/// Goes through the lines of all tables, and adds to the map what is wrong with them.
fn for_each_line(
    text: &[u8],
    map: &mut NetworkBuilder,
    mut each: impl FnMut(&mut NetworkBuilder, &Line<'_>) -> Result<(), String>,
) {
    let mut lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let (mut table, mut columns): (Option<String>, Option<BTreeMap<String, usize>>) = (None, None);
    // Empty lines are passed over by the parser, so a table ends where a line begins with the name of one.
    for line in lines.records() {
        let fields = match line {
            Ok(fields) => fields,
            Err(error) => return map.wrong(format!("a line cannot be read: {error}")),
        };
        let first = fields.get(0).unwrap_or_default().trim();
        if first.is_empty() {
            (table, columns) = (None, None);
        } else if matches!(first, "nodes" | "arcs" | "miscData") {
            (table, columns) = (Some(first.to_owned()), None);
        } else if let (Some(table), Some(columns)) = (&table, &columns) {
            let at = fields.position().map_or(0, csv::Position::line);
            if let Err(wrong) = each(map, &Line { table, at, columns, fields: &fields }) {
                map.wrong(wrong);
            }
        } else if table.is_some() {
            let names = fields.iter().enumerate().map(|(at, name)| (name.trim().to_owned(), at));
            columns = Some(names.collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str =
        "nodes,3,,\nindex,x,y,offRoadAccess,\n1.0,104.07,30.50,1.0\n2.0,104.08,30.50,0.0\n3.0,104.09,30.50,1.0\n";
    const ARCS: &str = "miscData,1,,\narcForm,numModes,\ndirected,2\n,\narcs,2,,\nindex,fromNode,toNode,mode_1,mode_2,\n\
                        1.0,1.0,2.0,1.0e-5,2.0e-5\n2.0,2.0,3.0,0,2.0e-5\n";

    fn load(nodes: &str, arcs: &str) -> Result<Network, Error> {
        CsvNetwork::new(Datum::Wgs84).load(nodes.as_bytes(), arcs.as_bytes())
    }

    #[test]
    fn tables_become_a_network() {
        let network = load(NODES, ARCS).unwrap();
        let times = ["1", "2"].map(|arc| network.free_ms(network.arc(arc).unwrap()));
        assert_eq!((network.nodes_len(), times, network.raised()), (3, [864, 1], 1));
        let by_truck = CsvNetwork { mode: "mode_2".to_owned(), ..CsvNetwork::new(Datum::Wgs84) };
        let network = by_truck.load(NODES.as_bytes(), ARCS.as_bytes()).unwrap();
        assert_eq!(network.free_ms(network.arc("2").unwrap()), 1_728);
    }

    #[test]
    fn lines_that_are_wrong_are_told_with_their_numbers() {
        let nodes = NODES.replace("30.50,0.0", "130.50,0.0").replace("1.0,104.07", "1.0,east");
        let arcs = ARCS.replace("2.0,2.0,3.0,0,", "2.0,2.0,4.0,-1,");
        let error = load(&nodes, &arcs).unwrap_err().to_string();
        for part in [
            "E0181",
            "line 3 of table nodes has x \"east\"",
            "line 4 of table nodes is no place",
            "to \"4\"",
            "-86400000 ms",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        for (nodes, arcs) in [("", ""), (NODES, ""), ("", ARCS), ("nodes\n", "arcs\n"), ("\u{0}", "arcs,1\nindex\n1\n")]
        {
            assert_eq!(load(nodes, arcs).unwrap_err().code(), "E0181");
        }
        let sideways = ARCS.replace("directed", "sideways");
        assert!(load(NODES, &sideways).unwrap_err().to_string().contains("sideways"));
    }
}
