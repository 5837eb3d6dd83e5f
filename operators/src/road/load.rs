//! Networks from tables of nodes and arcs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;

use super::network::{Network, NetworkBuilder};
use crate::geo::Datum;

/// How two CSV texts say what a network is, in the format of JEMSS (Ridler, Mason and Raith 2022): tables that begin with a line of their
/// name and, if they say it, how many lines they have, followed by a line with the names of their columns, and end with a line in which nothing
/// stands.
///
/// Table `nodes`: `index`, `x` (longitude), `y` (latitude) and, if it is there, `offRoadAccess` (0 where no road can be left). Table `arcs`:
/// `index`, `fromNode`, `toNode` and a column with the time of each mode of travel. The table `miscData` of the same text says by
/// `arcForm` whether an arc leads one way (`directed`) or both (`undirected`; the way back is called `INDEX back`). Other tables are passed over.
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

/// A table of a text.
struct Table {
    name: String,
    columns: BTreeMap<String, usize>,
    /// Each with the number of its line.
    lines: Vec<(u64, csv::StringRecord)>,
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
        if !(self.unit_ms.is_finite() && self.unit_ms > 0.0) {
            map.wrong(format!("unit_ms is {}, which is no length of time", self.unit_ms));
        }
        for_each_line(&tables(nodes, &mut map), "nodes", &mut map, |map, line| self.node(map, line));
        let tables = tables(arcs, &mut map);
        let mut both_ways = None;
        for_each_line(&tables, "miscData", &mut map, |_, line| {
            both_ways = match line.text("arcForm")? {
                "directed" => Some(false),
                "undirected" => Some(true),
                other => return Err(line.wrong(&format!("has arcForm {other:?}, not directed or undirected"))),
            };
            Ok(())
        });
        match both_ways {
            Some(both_ways) => for_each_line(&tables, "arcs", &mut map, |map, line| self.arc(map, line, both_ways)),
            None => map.wrong("nothing says by arcForm whether arcs lead one way or both".to_owned()),
        }
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

/// The tables of a text. What is wrong with them is told to the map.
fn tables(text: &[u8], map: &mut NetworkBuilder) -> Vec<Table> {
    let tables = parts(text).into_iter().filter_map(|(first_line, part)| match table(first_line, part) {
        Ok(table) => Some(table),
        Err(wrong) => {
            map.wrong(wrong);
            None
        }
    });
    tables.collect()
}

/// What stands between lines in which nothing does, each with the number of its first line.
fn parts(text: &[u8]) -> Vec<(u64, &[u8])> {
    let (mut parts, mut begins, mut at) = (Vec::new(), None, 0);
    for (nth, line) in (1..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        let is_empty = line.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b',');
        match begins {
            Some((first, from)) if is_empty => {
                parts.push((first, &text[from..at]));
                begins = None;
            }
            None if !is_empty => begins = Some((nth, at)),
            _ => {}
        }
        at += line.len();
    }
    parts.extend(begins.map(|(first, from)| (first, &text[from..])));
    parts
}

fn table(first_line: u64, text: &[u8]) -> Result<Table, String> {
    let lines = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text).into_records();
    let at = |fields: &csv::StringRecord| first_line + fields.position().map_or(0, |at| at.line().saturating_sub(1));
    let mut lines = lines.map(|line| match line {
        Ok(fields) => Ok((at(&fields), fields)),
        Err(error) => Err(format!("after line {first_line} a line cannot be read: {error}")),
    });
    let (_, head) = lines.next().unwrap_or_else(|| Ok((first_line, csv::StringRecord::new())))?;
    let name = head.get(0).unwrap_or_default().trim().to_owned();
    let count = head.get(1).map(str::trim).filter(|count| !count.is_empty());
    let count: Option<usize> = match count.map(str::parse) {
        Some(Err(_)) => {
            return Err(format!("table {name:?} at line {first_line} has no number of lines beside its name"));
        }
        Some(Ok(count)) => Some(count),
        None => None,
    };
    let (_, names) = lines.next().unwrap_or_else(|| Ok((first_line, csv::StringRecord::new())))?;
    let columns = names.iter().enumerate().map(|(at, name)| (name.trim().to_owned(), at)).collect();
    let lines = lines.collect::<Result<Vec<_>, String>>()?;
    match count {
        Some(count) if count != lines.len() => {
            Err(format!("table {name:?} says that it has {count} lines, and has {}", lines.len()))
        }
        _ => Ok(Table { name, columns, lines }),
    }
}

/// Goes through the lines of tables of a name, and tells the map what is wrong with them.
fn for_each_line(
    tables: &[Table],
    name: &str,
    map: &mut NetworkBuilder,
    mut each: impl FnMut(&mut NetworkBuilder, &Line<'_>) -> Result<(), String>,
) {
    for Table { name, columns, lines } in tables.iter().filter(|table| table.name == name) {
        for (at, fields) in lines {
            if let Err(wrong) = each(map, &Line { table: name, at: *at, columns, fields }) {
                map.wrong(wrong);
            }
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
        let unsaid = ARCS.split_once("arcs,").map(|(_, arcs)| format!("arcs,{arcs}")).unwrap();
        assert!(load(NODES, &unsaid).unwrap_err().to_string().contains("arcForm"));
        // A line that is lost, at the end or in the middle, is missed.
        let short = ARCS.rsplit_once("2.0,2.0,3.0").unwrap().0;
        assert!(load(NODES, short).unwrap_err().to_string().contains("says that it has 2 lines, and has 1"));
        // A text that does not say it is read as it is.
        assert_eq!(load(&NODES.replace("nodes,3", "nodes,"), &ARCS.replace("arcs,2", "arcs,")).unwrap().arcs_len(), 2);
        let nameless = ARCS.replace("1.0,1.0,2.0,", ",1.0,2.0,");
        assert!(load(NODES, &nameless).unwrap_err().to_string().contains("line 7 of table arcs has no index"));
    }

    #[test]
    fn tables_stand_in_any_order_among_others() {
        let (misc, arcs) = ARCS.split_once(",\narcs").unwrap();
        let turned = format!("arcs{arcs}\nmodes,1\nindex,name\n1,truck\n\n{misc}");
        assert_eq!(load(NODES, &turned).unwrap().arcs_len(), 2);
    }
}
