//! Every kind of bad input, and that no error repeats a value of it.

use serde::{Deserialize, Serialize};
use watchfire_engine::Error;
use watchfire_engine::decode::{Decoder, Encoder};
use watchfire_engine::source::RawRow;

use super::{CUT_MARK, Csv, CsvConfig, JsonLines};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    person: String,
    pulse_bpm: u8,
    load_kg: f64,
}

fn raw(body: &[u8]) -> RawRow {
    RawRow { place: 12, key: None, body: body.to_vec().into() }
}

fn refusal<T: std::fmt::Debug>(format: &impl Decoder<T>, body: &[u8]) -> Error {
    let mut out = Vec::new();
    let e = format.decode(&raw(body), &mut out).expect_err(&String::from_utf8_lossy(body));
    assert!(out.is_empty());
    assert_eq!(e.place(), Some("row 12"));
    e
}

#[test]
fn json_says_what_is_wrong_and_never_with_which_value() {
    let format = JsonLines::<Reading>::new();
    let cases: &[(&str, &str)] = &[
        (r#"{"person":"Ada L","pulse_bpm":70,"load"#, "truncated: the text ends inside the value, at column"),
        (r#"{"person":"Ada L""#, "truncated"),
        (
            r#"{"person":17171,"pulse_bpm":70,"load_kg":1}"#,
            "wrong type: found an integer, expected a string, at column 15",
        ),
        (r#"{"person":"Ada L","pulse_bpm":"17171","load_kg":1}"#, "wrong type: found a string, expected u8, at column"),
        (r#"{"person":"Ada L","pulse_bpm":71.71,"load_kg":1}"#, "wrong type: found a number with a fraction"),
        (r#"{"person":"Ada L","load_kg":1}"#, "missing field `pulse_bpm`, at column 30"),
        (r#"{"person":"Ada L","pulse_bpm":70,"load_kg":1,"Ada L":17171}"#, "unknown field, at column"),
        (r#"{"person":"Ada L","person":"Ada L","pulse_bpm":70,"load_kg":1}"#, "duplicate field `person`"),
        (r#"{"person":"Ada L","pulse_bpm":17171,"load_kg":1}"#, "out of range: found an integer, expected u8"),
        (r#"{"person":"Ada L","pulse_bpm":-7,"load_kg":1}"#, "out of range: found an integer, expected u8"),
        (r#"{"person":"Ada L","pulse_bpm":70,"load_kg":1e400}"#, "out of range: a number beyond 64-bit floating point"),
        (r#"{"person":"Ada L","pulse_bpm":70,"load_kg":NaN}"#, "syntax: expected value"),
        (r#"{"person":"Ada L","pulse_bpm":70,"load_kg":Infinity}"#, "syntax: expected value"),
        (r#"{"person":"Ada L","pulse_bpm":70,"load_kg":-Infinity}"#, "syntax: invalid number"),
        (r#"{"person":"Ada L","pulse_bpm":70,"load_kg":null}"#, "wrong type: found null, expected f64"),
        (r#"{"person":"Ada L","pulse_bpm":70,"load_kg":1} {}"#, "syntax: trailing characters"),
        (r#"["Ada L",70]"#, "wrong length, expected struct Reading with 3 elements"),
        (r#""Ada L, expected f64""#, "wrong type: found a string, expected struct Reading"),
        ("", "empty row"),
        (" \r", "empty row"),
        ("\u{feff}{}", "syntax"),
    ];
    for (body, want) in cases {
        let e = refusal(&format, body.as_bytes());
        assert_eq!(e.code(), "E0441", "{body}");
        assert!(e.what().starts_with(want), "{body}: {e}");
        assert!(!e.to_string().contains("Ada") && !e.to_string().contains("717"), "a value leaked: {e}");
    }
    let e = refusal(&format, b"{\"person\":\"Ada\xff L\"}");
    assert_eq!((e.code(), e.what()), ("E0441", "invalid UTF-8 at column 15"));
    let deep = "[".repeat(10_000);
    assert!(refusal(&JsonLines::<serde_json::Value>::new(), deep.as_bytes()).what().starts_with("syntax: recursion"));
}

#[test]
fn json_takes_what_is_right_in_every_dress() {
    let format = JsonLines::<Reading>::new();
    let ok = r#"{"person":"A","pulse_bpm":70,"load_kg":1}"#;
    for body in [ok.to_string(), format!("{ok}\r"), format!("  {ok} ")] {
        let mut out = Vec::new();
        format.decode(&raw(body.as_bytes()), &mut out).unwrap();
        assert_eq!(out.len(), 1);
    }
    let first = RawRow { place: 1, body: format!("\u{feff}{ok}").into(), ..RawRow::default() };
    format.decode(&first, &mut Vec::new()).unwrap();
    let mut out: Vec<Reading> = Vec::new();
    JsonLines::new().skip_empty_rows().decode(&raw(b"\r"), &mut out).unwrap();
    assert!(out.is_empty());
}

#[test]
fn a_custom_error_of_a_type_is_not_repeated() {
    fn never<'de, D: serde::Deserializer<'de>>(d: D) -> Result<String, D::Error> {
        let value = String::deserialize(d)?;
        Err(serde::de::Error::custom(format!("bad name {value}")))
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Named {
        #[serde(deserialize_with = "never")]
        name: String,
    }
    let e = refusal(&JsonLines::<Named>::new(), br#"{"name":"Ada"}"#);
    assert_eq!(e.what(), "refused by the type, at column 14");
}

#[test]
fn a_float_that_overflows_to_infinity_is_refused_when_asked() {
    let body = b"{\"x\":1e39}";
    #[derive(Debug, Serialize, Deserialize)]
    struct Narrow {
        x: f32,
    }
    let mut out = Vec::new();
    // Where a package of the build asks serde_json for exact floats (`float_roundtrip`), it refuses the number itself; else serde makes it infinite.
    let decoded = JsonLines::<Narrow>::new().decode(&raw(body), &mut out);
    let e = refusal(&JsonLines::<Narrow>::new().refuse_non_finite(), body);
    match decoded {
        Ok(_) => {
            assert!(out[0].x.is_infinite());
            assert_eq!((e.code(), e.what().contains("`x`")), ("E0448", true));
        }
        Err(refused) => assert_eq!((refused.code(), e.code()), ("E0441", "E0441")),
    }
}

#[test]
fn validate_speaks_last_and_gets_the_place() {
    let format = JsonLines::<Reading>::new()
        .validate(|r| if r.load_kg >= 0.0 { Ok(()) } else { Err(Error::new("E0460", "a negative load")) });
    let e = refusal(&format, br#"{"person":"A","pulse_bpm":70,"load_kg":-1}"#);
    assert_eq!(e.to_string(), "E0460 a negative load (row 12)");
}

#[test]
fn a_cut_row_never_decodes_whatever_its_head_holds() {
    for head in ["17", "{}", "\"text\"", "{\"a\":1}     "] {
        let body = [head.as_bytes(), CUT_MARK].concat();
        let e = refusal(&JsonLines::<serde_json::Value>::new(), &body);
        assert_eq!(e.code(), "E0435");
        assert!(e.what().contains(&format!("{} bytes", head.len())));
        assert_eq!(refusal(&Csv::<(String,)>::new(CsvConfig::new(["a"])).unwrap(), &body).code(), "E0435");
    }
}

#[test]
fn encoding_refuses_what_json_has_not() {
    let format = JsonLines::<Reading>::new();
    let ok = Reading { person: "A\nB".into(), pulse_bpm: 70, load_kg: 0.1 };
    let encoded = format.encode(&ok).unwrap();
    assert!(!encoded.body.contains(&b'\n'));
    let mut back = Vec::new();
    format.decode(&raw(&encoded.body), &mut back).unwrap();
    assert_eq!(back, [ok]);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let e = format.encode(&Reading { person: "A".into(), pulse_bpm: 70, load_kg: bad }).unwrap_err();
        assert_eq!((e.code(), e.what().contains("`load_kg`")), ("E0321", true));
    }
    let nested = JsonLines::<Vec<(u8, Option<[f32; 2]>)>>::new();
    assert!(nested.encode(&vec![(1, None), (2, Some([0.0, 1.0]))]).is_ok());
    assert_eq!(nested.encode(&vec![(2, Some([0.0, f32::NAN]))]).unwrap_err().code(), "E0321");
    let keyed = JsonLines::<std::collections::BTreeMap<Vec<u8>, u8>>::new();
    assert_eq!(keyed.encode(&[(vec![1], 1)].into()).unwrap_err().code(), "E0322");
}

#[test]
fn csv_says_what_is_wrong_and_never_with_which_value() {
    let format = Csv::<Reading>::new(CsvConfig::new(["person", "pulse_bpm", "load_kg"])).unwrap();
    let cases: &[(&str, &str, &str)] = &[
        ("Ada,70", "E0446", "2 fields instead of 3"),
        ("Ada,70,1,7171", "E0446", "4 fields instead of 3"),
        ("Ada,71x,1", "E0446", "not an integer: column `pulse_bpm`"),
        ("Ada,7171,1", "E0446", "out of range: column `pulse_bpm`"),
        ("Ada,-7,1", "E0446", "not an integer: column `pulse_bpm`"),
        ("Ada,70,7171x", "E0446", "not a number: column `load_kg`"),
        ("Ada,70,", "E0446", "not a number: column `load_kg`"),
        ("Ada,70,NaN", "E0448", "a number in field `load_kg` is NaN"),
        ("Ada,70,-inf", "E0448", "a number in field `load_kg` is NaN"),
        ("Ada,70,1e400", "E0448", "a number in field `load_kg` is NaN"),
        ("\"Ada,70,7171", "E0446", "truncated: a quoted field"),
        ("", "E0446", "empty row"),
    ];
    for (body, code, want) in cases {
        let e = refusal(&format, body.as_bytes());
        assert_eq!(e.code(), *code, "{body}: {e}");
        assert!(e.what().starts_with(want), "{body}: {e}");
        assert!(!e.to_string().contains("Ada") && !e.to_string().contains("7171"), "a value leaked: {e}");
    }
    assert!(refusal(&format, b"Ada,\xff,1").what().starts_with("invalid UTF-8 at column 5"));
}

#[test]
fn csv_headers_quotes_and_delimiters() {
    let config =
        CsvConfig { header: true, delimiter: ';', trim: true, ..CsvConfig::new(["person", "pulse_bpm", "load_kg"]) };
    let format = Csv::<Reading>::new(config).unwrap();
    let at = |place, body: &'static str| RawRow { place, key: None, body: body.into() };
    let mut out = Vec::new();
    format.decode(&at(1, "person; pulse_bpm ;load_kg\r"), &mut out).unwrap();
    format.decode(&at(9, "person;pulse_bpm;load_kg"), &mut out).unwrap();
    assert!(out.is_empty(), "headers are skipped, also of files put together");
    format.decode(&at(2, "\"A \"\"B\"\"; C\";70; 1.5 \r"), &mut out).unwrap();
    assert_eq!(out, [Reading { person: "A \"B\"; C".into(), pulse_bpm: 70, load_kg: 1.5 }]);
    let e = format.decode(&at(1, "person;load_kg;pulse_bpm"), &mut out).unwrap_err();
    assert_eq!(e.code(), "E0447");
    for bad in [
        CsvConfig::new(Vec::<String>::new()),
        CsvConfig::new([""]),
        CsvConfig::new(["a", "a"]),
        CsvConfig { delimiter: '"', ..CsvConfig::new(["a"]) },
        CsvConfig { delimiter: 'ä', ..CsvConfig::new(["a"]) },
    ] {
        assert_eq!(Csv::<Reading>::new(bad).unwrap_err().code(), "E0449");
    }
}

mod arbitrary_bytes {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// No bytes whatever make a decoder panic or leave half a row behind.
        #[test]
        fn never_panic(body in proptest::collection::vec(any::<u8>(), 0..200), place in 0u64..3) {
            let raw = RawRow { place, key: None, body: body.into() };
            let mut out = Vec::new();
            let done = JsonLines::<Reading>::new().decode(&raw, &mut out);
            prop_assert_eq!(done.is_ok(), out.len() == 1);
            let mut out = Vec::new();
            let format = Csv::<(String, Option<f64>)>::new(CsvConfig::new(["a", "b"])).unwrap();
            let done = format.decode(&raw, &mut out);
            prop_assert_eq!(done.is_ok(), out.len() == 1);
        }
    }
}
