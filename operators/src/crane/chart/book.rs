//! Which chart belongs to which crane, read from a text that a site keeps.

use toml::{Table, Value};

use super::{ChartErrors, ChartFinding, ChartLimits, CurveSpec, RatedLoad, check};

/// The charts of a district and the crane each belongs to.
///
/// The text is TOML; the caller reads the file:
///
/// ```toml
/// default_model = "QTZ63"            # optional: the chart of cranes that are not listed
///
/// [[model]]
/// name = "QTZ63"
///
/// [[model.reeving]]
/// falls = 4                          # falls of rope
/// cap_kg = 6000                      # what rope and hoist carry, kilograms
/// points = [[13.72, 6000], [15, 5430], [20, 3920], [30, 2450], [50, 1300]]   # [radius in m, load in kg]
///
/// [cranes]
/// QTZ63 = [1, 2, 7]                  # model = crane numbers
/// ```
///
/// A default is a convenience with a price: a crane that was forgotten is then judged by a chart that may be too
/// generous. Leave it out, and [`chart`](Self::chart) answers `None` for such a crane, which is not a safe state.
///
/// ```
/// use watchfire_operators::crane::{ChartBook, Rated};
///
/// let book = ChartBook::from_toml(
///     r#"
///     [[model]]
///     name = "small"
///     [[model.reeving]]
///     falls = 2
///     cap_kg = 3000
///     points = [[25, 3000], [50, 1300]]
///     [cranes]
///     small = [7]
///     "#,
/// )?;
/// assert_eq!(book.chart(7).unwrap().rated_kg(2, 50.0), Rated::Kg(1_300.0));
/// assert!(book.chart(8).is_none());
/// # Ok::<(), watchfire_operators::crane::ChartErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ChartBook {
    charts: Vec<RatedLoad>,
    /// Crane number and place in `charts`, by rising number.
    cranes: Vec<(u32, usize)>,
    default_chart: Option<usize>,
}

impl ChartBook {
    /// Reads a book from TOML and checks it against the default [`ChartLimits`].
    ///
    /// # Errors
    /// Every finding at once, except that text which is not TOML gives that one alone; see [`ChartErrors`].
    ///
    /// ```
    /// use watchfire_operators::crane::ChartBook;
    /// let errors = ChartBook::from_toml("[cranes]\nQTZ36 = [1]").unwrap_err();
    /// let codes: Vec<_> = errors.findings().iter().map(|finding| finding.code).collect();
    /// assert_eq!(codes, ["E0427", "E0430"]); // no model at all, and a crane of an unknown one
    /// ```
    pub fn from_toml(text: &str) -> Result<Self, ChartErrors> {
        Self::from_toml_within(text, &ChartLimits::default())
    }

    /// As [`from_toml`](Self::from_toml), with limits of the caller's choice.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml).
    pub fn from_toml_within(text: &str, limits: &ChartLimits) -> Result<Self, ChartErrors> {
        let table = text.parse::<Table>().map_err(|error| not_toml(text, &error))?;
        let mut reader = Reader::default();
        let spec = reader.book(&table, limits);
        let mut findings = reader.findings;
        let names: Vec<&str> = spec.models.iter().map(|(name, _)| name.as_str()).collect();
        let (cranes, default_chart) = assign(&names, &spec.cranes, spec.default_model.as_deref(), &mut findings);
        ChartErrors::unless_empty(findings)?;
        let charts = spec.models.into_iter().map(|(name, curves)| RatedLoad::from_sound(name, &curves)).collect();
        Ok(Self { charts, cranes, default_chart })
    }

    /// Builds a book from charts in hand, (crane number, model name) pairs in any order, and an optional default.
    ///
    /// # Errors
    /// E0427 without charts, E0430 for a name that no chart has, E0431 for a crane listed twice, E0435 for two charts
    /// of one name; all at once.
    ///
    /// ```
    /// use watchfire_operators::crane::{ChartBook, RatedLoad};
    /// let book = ChartBook::new(vec![RatedLoad::qtz63(), RatedLoad::qtz80()], &[(1, "QTZ80")], Some("QTZ63"))?;
    /// assert_eq!(book.chart(1).unwrap().model(), "QTZ80");
    /// assert_eq!(book.chart(2).unwrap().model(), "QTZ63");
    /// # Ok::<(), watchfire_operators::crane::ChartErrors>(())
    /// ```
    pub fn new(
        charts: Vec<RatedLoad>,
        cranes: &[(u32, &str)],
        default_model: Option<&str>,
    ) -> Result<Self, ChartErrors> {
        let mut findings = Vec::new();
        let names: Vec<&str> = charts.iter().map(RatedLoad::model).collect();
        let cranes: Vec<(u32, String)> = cranes.iter().map(|(crane, model)| (*crane, (*model).to_owned())).collect();
        let (cranes, default_chart) = assign(&names, &cranes, default_model, &mut findings);
        ChartErrors::unless_empty(findings)?;
        Ok(Self { charts, cranes, default_chart })
    }

    /// The chart of a crane: its own, else the default, else `None`, which no caller may read as safe. O(log cranes).
    #[must_use]
    pub fn chart(&self, crane: u32) -> Option<&RatedLoad> {
        let own = self.cranes.binary_search_by_key(&crane, |entry| entry.0).ok();
        let place = own.and_then(|index| self.cranes.get(index)).map(|entry| entry.1).or(self.default_chart)?;
        self.charts.get(place)
    }

    /// The charts, in the order given.
    #[must_use]
    pub fn charts(&self) -> &[RatedLoad] {
        &self.charts
    }

    /// The numbers of the cranes that are listed, rising.
    ///
    /// ```
    /// use watchfire_operators::crane::{ChartBook, RatedLoad};
    /// let book = ChartBook::new(vec![RatedLoad::qtz63()], &[(9, "QTZ63"), (2, "QTZ63")], None)?;
    /// assert_eq!(book.cranes().collect::<Vec<_>>(), [2, 9]);
    /// # Ok::<(), watchfire_operators::crane::ChartErrors>(())
    /// ```
    pub fn cranes(&self) -> impl Iterator<Item = u32> + '_ {
        self.cranes.iter().map(|entry| entry.0)
    }
}

/// Resolves names to places. Whatever cannot be resolved becomes a finding.
fn assign(
    names: &[&str],
    cranes: &[(u32, String)],
    default_model: Option<&str>,
    findings: &mut Vec<ChartFinding>,
) -> (Vec<(u32, usize)>, Option<usize>) {
    if names.is_empty() {
        let remedy = "add a [[model]] with name and reeving";
        findings.push(ChartFinding::new("E0427", "the whole book", "there is no model", remedy));
    }
    for (index, name) in names.iter().enumerate() {
        if names.iter().take(index).any(|earlier| earlier == name) {
            let remedy = "give each model its own name";
            findings.push(ChartFinding::new("E0435", format!("model {name:?}"), "a second model of this name", remedy));
        }
    }
    let place_of = |name: &str, at: String, findings: &mut Vec<ChartFinding>| {
        let place = names.iter().position(|known| *known == name);
        if place.is_none() {
            let remedy = match nearest(name, names) {
                Some(near) => format!("did you mean {near:?}? Otherwise add the model"),
                None => "add the model, or name one that the book has".to_owned(),
            };
            findings.push(ChartFinding::new("E0430", at, format!("no model is called {name:?}"), remedy));
        }
        place
    };
    let default_chart = default_model.and_then(|name| place_of(name, "default_model".to_owned(), findings));
    let mut resolved = Vec::with_capacity(cranes.len());
    for (crane, name) in cranes {
        // Whoever names an unknown model for a hundred cranes reads one line about it, not a hundred.
        let told = resolved.iter().rev().find(|(_, known, _): &&(u32, &str, _)| known == name);
        let place = match told {
            Some(&(_, _, place)) => place,
            None => place_of(name, format!("crane {crane}"), findings),
        };
        resolved.push((*crane, name.as_str(), place));
    }
    resolved.sort_by_key(|entry| entry.0);
    for pair in resolved.windows(2) {
        let [first, second] = pair else { continue };
        if first.0 == second.0 {
            let detail = format!("under {:?} and under {:?}", first.1, second.1);
            let remedy = "list the crane once, under the model that stands there";
            findings.push(ChartFinding::new("E0431", format!("crane {}", first.0), detail, remedy));
        }
    }
    (resolved.into_iter().filter_map(|(crane, _, place)| Some((crane, place?))).collect(), default_chart)
}

/// The known name that takes the fewest edits, if no more than a third of the letters (and at least two) change. A
/// known name that goes on where the given one ends counts as one edit away (`cap` for `cap_kg`).
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(2);
    let by_edits = |candidate: &&'a str| {
        let count = edits(name, candidate);
        (if !name.is_empty() && candidate.starts_with(name) { count.min(1) } else { count }, *candidate)
    };
    known.iter().map(by_edits).min().filter(|(count, _)| *count <= allowed).map(|(_, candidate)| candidate)
}

/// Levenshtein distance, ignoring case.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, left_char) in left.to_lowercase().chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut last = line + 1;
        next.push(last);
        for ((diagonal, above), right_char) in row.iter().zip(row.iter().skip(1)).zip(&right) {
            last = (diagonal + usize::from(left_char != *right_char)).min(above + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn not_toml(text: &str, error: &toml::de::Error) -> ChartErrors {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let detail = error.message().replace('\n', "; ");
    ChartErrors::one(ChartFinding::new("E0434", format!("line {line}"), detail, "correct the syntax"))
}

#[derive(Default)]
struct BookSpec {
    models: Vec<(String, Vec<CurveSpec>)>,
    cranes: Vec<(u32, String)>,
    default_model: Option<String>,
}

/// Walks the parsed text by hand: a derived decoder stops at the first mistake, and whoever types in a chart from
/// paper wants to see all of them.
#[derive(Default)]
struct Reader {
    findings: Vec<ChartFinding>,
}

impl Reader {
    fn book(&mut self, table: &Table, limits: &ChartLimits) -> BookSpec {
        self.unknown_fields("the whole book", table, &["default_model", "model", "cranes"]);
        let mut spec = BookSpec::default();
        if let Some(value) = table.get("default_model") {
            spec.default_model = self.text("default_model", value);
        }
        if let Some(value) = table.get("model") {
            for (index, model) in self.tables("[[model]]", value).into_iter().enumerate() {
                let found_before = self.findings.len();
                let (name, curves) = self.model(index + 1, model);
                // A model whose curves could not be read has been told so; "no reeving" would mislead.
                let unreadable = curves.is_empty() && self.findings.len() > found_before;
                if !unreadable {
                    self.findings.extend(check::model(&name, &curves, limits));
                }
                spec.models.push((name, curves));
            }
        }
        if let Some(value) = table.get("cranes") {
            spec.cranes = self.cranes(value);
        }
        spec
    }

    fn model(&mut self, number: usize, table: &Table) -> (String, Vec<CurveSpec>) {
        let name = match table.get("name") {
            Some(value) => self.text(&format!("model {number}, name"), value),
            None => {
                self.wrong(format!("model {number}"), "name is missing", "give the model a name");
                None
            }
        };
        let place = match &name {
            Some(name) => format!("model {name:?}"),
            None => format!("model {number}"),
        };
        self.unknown_fields(&place, table, &["name", "reeving"]);
        let mut curves = Vec::new();
        if let Some(value) = table.get("reeving") {
            for (index, curve) in self.tables(&format!("{place}, [[model.reeving]]"), value).into_iter().enumerate() {
                curves.extend(self.curve(&place, index + 1, curve));
            }
        }
        (name.unwrap_or_default(), curves)
    }

    fn curve(&mut self, model_place: &str, number: usize, table: &Table) -> Option<CurveSpec> {
        let falls = table.get("falls").and_then(Value::as_integer).and_then(|falls| u8::try_from(falls).ok());
        let place = match falls {
            Some(falls) => format!("{model_place}, {falls} falls"),
            None => format!("{model_place}, reeving {number}"),
        };
        if falls.is_none() {
            self.wrong(&place, "falls is not a whole number from 1 to 255", "give the falls of rope");
        }
        self.unknown_fields(&place, table, &["falls", "cap_kg", "points"]);
        let cap_kg = match table.get("cap_kg") {
            Some(value) => self.number(&format!("{place}, cap_kg"), value),
            None => {
                let remedy = "give the load that rope and hoist carry in this reeving, in kilograms";
                self.findings.push(ChartFinding::new("E0428", &place, "cap_kg is missing", remedy));
                // A stand-in, so that the points are still checked; the book is refused in any case.
                Some(f64::MAX)
            }
        };
        let points = match table.get("points") {
            Some(value) => self.points(&place, value),
            None => Some(Vec::new()),
        };
        Some(CurveSpec { falls: falls?, cap_kg: cap_kg?, points: points? })
    }

    fn points(&mut self, place: &str, value: &Value) -> Option<Vec<(f64, f64)>> {
        let Some(list) = value.as_array() else {
            self.wrong(place, format!("points is a {}", value.type_str()), "write a list of [radius_m, load_kg]");
            return None;
        };
        let mut points = Vec::with_capacity(list.len());
        let found_before = self.findings.len();
        for (index, value) in list.iter().enumerate() {
            let at = format!("{place}, point {}", index + 1);
            match value.as_array().map(Vec::as_slice) {
                Some([radius_m, kg]) => {
                    let radius_m = self.number(&format!("{at}, radius"), radius_m);
                    let kg = self.number(&format!("{at}, load"), kg);
                    points.extend(radius_m.zip(kg));
                }
                _ => self.wrong(at, "not a pair of numbers", "write [radius_m, load_kg]"),
            }
        }
        // With a gap in the list, the numbers of the points would no longer be those of the file.
        (self.findings.len() == found_before).then_some(points)
    }

    fn cranes(&mut self, value: &Value) -> Vec<(u32, String)> {
        let Some(table) = value.as_table() else {
            self.wrong("cranes", format!("a {}", value.type_str()), "write [cranes], then model = [crane numbers]");
            return Vec::new();
        };
        let mut cranes = Vec::new();
        for (model, value) in table {
            let Some(list) = value.as_array() else {
                let remedy = "write a list of crane numbers";
                self.wrong(format!("cranes, {model:?}"), format!("a {}", value.type_str()), remedy);
                continue;
            };
            for (index, value) in list.iter().enumerate() {
                match value.as_integer().and_then(|crane| u32::try_from(crane).ok()) {
                    Some(crane) => cranes.push((crane, model.clone())),
                    None => {
                        let at = format!("cranes, {model:?}, entry {}", index + 1);
                        self.wrong(
                            at,
                            format!("{value} is no crane number"),
                            "write a whole number from 0 to 4294967295",
                        );
                    }
                }
            }
        }
        cranes
    }

    fn tables<'v>(&mut self, place: &str, value: &'v Value) -> Vec<&'v Table> {
        let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let tables: Vec<&Table> = list.iter().filter_map(Value::as_table).collect();
        if !value.is_array() || tables.len() != list.len() {
            self.wrong(place, "not a list of tables", "repeat the heading in double brackets for each entry");
        }
        tables
    }

    fn text(&mut self, place: &str, value: &Value) -> Option<String> {
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.wrong(place, format!("a {}", value.type_str()), "write a text in quotes");
        }
        text
    }

    fn number(&mut self, place: &str, value: &Value) -> Option<f64> {
        // A whole number beyond 2^53 is refused by the moment check whatever it rounds to.
        let number = value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
        if number.is_none() {
            self.wrong(place, format!("a {}", value.type_str()), "write a number");
        }
        number
    }

    fn unknown_fields(&mut self, place: &str, table: &Table, known: &[&str]) {
        for field in table.keys().filter(|field| !known.contains(&field.as_str())) {
            let remedy = match nearest(field, known) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("remove it; known are {}", known.join(", ")),
            };
            self.findings.push(ChartFinding::new("E0432", place, format!("{field:?}"), remedy));
        }
    }

    fn wrong(&mut self, place: impl Into<String>, detail: impl std::fmt::Display, remedy: &str) {
        self.findings.push(ChartFinding::new("E0433", place, detail, remedy));
    }
}
