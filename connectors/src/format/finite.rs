//! Finds numbers that are NaN or infinite in anything that serde can walk.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};
use watchfire_engine::Error;

/// Refuses a decoded row with a number that no measurement can have.
pub(super) fn refuse_decoded<T: Serialize>(row: &T) -> Result<(), Error> {
    check(row).map_err(|field| {
        Error::new("E0448", format!("a number{} is NaN, infinite, or beyond its type's range", in_field(field)))
            .remedy("send a finite number, or leave the field out when there is no reading")
    })
}

/// Refuses a row to encode with a number that JSON has not.
pub(super) fn refuse_encoded<T: Serialize>(row: &T) -> Result<(), Error> {
    check(row).map_err(|field| {
        Error::new("E0321", format!("a number{} is NaN or infinite, which JSON has not", in_field(field)))
            .remedy("use an option, or a total-ordered type that refuses NaN")
    })
}

fn in_field(field: Option<&'static str>) -> String {
    field.map_or_else(String::new, |f| format!(" in field `{f}`"))
}

/// `Err` with the innermost named field of the first non-finite number. What serde itself refuses is not judged here.
fn check<T: Serialize>(row: &T) -> Result<(), Option<&'static str>> {
    match row.serialize(Walk { field: None }) {
        Err(Stop::NotFinite(field)) => Err(field),
        Err(Stop::Other) | Ok(()) => Ok(()),
    }
}

/// Walks a value and keeps nothing but the name of the field it is in.
#[derive(Clone, Copy)]
struct Walk {
    field: Option<&'static str>,
}

#[derive(Debug)]
enum Stop {
    NotFinite(Option<&'static str>),
    Other,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stop {}

impl ser::Error for Stop {
    fn custom<M: fmt::Display>(_: M) -> Self {
        Stop::Other
    }
}

/// Scalars that are always fine.
macro_rules! fine {
    ($($method:ident($type:ty))*) => {
        $(fn $method(self, _: $type) -> Result<(), Stop> { Ok(()) })*
    };
}

impl Serializer for Walk {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Walk;
    type SerializeTuple = Walk;
    type SerializeTupleStruct = Walk;
    type SerializeTupleVariant = Walk;
    type SerializeMap = Walk;
    type SerializeStruct = Walk;
    type SerializeStructVariant = Walk;

    fine! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_i128(i128) serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_u128(u128) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_unit_struct(&'static str)
    }

    fn serialize_f32(self, v: f32) -> Result<(), Stop> {
        if v.is_finite() { Ok(()) } else { Err(Stop::NotFinite(self.field)) }
    }

    fn serialize_f64(self, v: f64) -> Result<(), Stop> {
        if v.is_finite() { Ok(()) } else { Err(Stop::NotFinite(self.field)) }
    }

    fn serialize_none(self) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, v: &T) -> Result<(), Stop> {
        v.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, v: &T) -> Result<(), Stop> {
        v.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        v: &T,
    ) -> Result<(), Stop> {
        v.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Walk, Stop> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Walk, Stop> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Walk, Stop> {
        Ok(self)
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Walk, Stop> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Walk, Stop> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Walk, Stop> {
        Ok(self)
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Walk, Stop> {
        Ok(self)
    }
}

/// Compound values whose parts have no names.
macro_rules! unnamed {
    ($($part:ident::$method:ident)*) => {
        $(impl ser::$part for Walk {
            type Ok = ();
            type Error = Stop;

            fn $method<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Stop> {
                v.serialize(*self)
            }

            fn end(self) -> Result<(), Stop> {
                Ok(())
            }
        })*
    };
}

unnamed! {
    SerializeSeq::serialize_element SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field
}

impl ser::SerializeMap for Walk {
    type Ok = ();
    type Error = Stop;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Stop> {
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, v: &T) -> Result<(), Stop> {
        v.serialize(*self)
    }

    fn end(self) -> Result<(), Stop> {
        Ok(())
    }
}

/// Compound values whose parts are named by the type.
macro_rules! named {
    ($($part:ident)*) => {
        $(impl ser::$part for Walk {
            type Ok = ();
            type Error = Stop;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, v: &T) -> Result<(), Stop> {
                v.serialize(Walk { field: Some(name) })
            }

            fn end(self) -> Result<(), Stop> {
                Ok(())
            }
        })*
    };
}

named! { SerializeStruct SerializeStructVariant }
