//! What an operator remembers of a key, and how it is written down.

use rkyv::api::high::{HighDeserializer, HighSerializer, HighValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

use crate::Error;

/// What rkyv can write and read back with every byte checked. Implemented for everything that derives
/// `rkyv::{Archive, Serialize, Deserialize}` and owns what it holds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored",
    note = "derive rkyv::Archive, rkyv::Serialize and rkyv::Deserialize (watchfire re-exports rkyv)"
)]
pub trait Stored:
    Archive<
        Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>>
                      + Deserialize<Self, HighDeserializer<rancor::Error>>,
    > + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>
    + Sized
{
}
impl<T> Stored for T where
    T: Archive<
            Archived: for<'a> CheckBytes<HighValidator<'a, rancor::Error>>
                          + Deserialize<T, HighDeserializer<rancor::Error>>,
        > + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>>
{
}

/// The state of one key in one detector. A key that was never seen has the `Default`. A checkpoint copies a state before it
/// changes, so `Clone` should be cheap.
///
/// `NAME` and `VERSION` head every file that holds such states; a change of layout needs a new version.
///
/// # Examples
/// ```
/// use watchfire_engine::{State, rkyv};
/// #[derive(Clone, Default, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
/// struct Peak { load_kg: f64, count: u64 }
/// impl State for Peak {
///     const NAME: &'static str = "peak";
///     const VERSION: u32 = 1;
/// }
/// let peak = Peak { load_kg: 3.5, count: 2 };
/// assert_eq!(Peak::decode(&peak.encode()?)?, peak);
/// assert!(Peak::decode(&[1, 2, 3]).is_err());
/// # Ok::<(), watchfire_engine::Error>(())
/// ```
pub trait State: Stored + Default + Clone + Send + 'static {
    /// The stable name of the state's type.
    const NAME: &'static str;
    /// The version of its layout.
    const VERSION: u32;
    /// Earlier versions that [`migrate`](State::migrate) reads. A job refuses to come back to a state of any other.
    const MIGRATES: &'static [u32] = &[];

    /// The state as bytes.
    ///
    /// # Errors
    /// `E0501` if the state cannot be written, which only running out of memory can cause.
    fn encode(&self) -> Result<Vec<u8>, Error> {
        rkyv::to_bytes::<rancor::Error>(self)
            .map(AlignedVec::into_vec)
            .map_err(|e| Error::new("E0501", format!("cannot encode state \"{}\"", Self::NAME)).because(e))
    }

    /// The state from bytes, every one of them checked.
    ///
    /// # Errors
    /// `E0502` if the bytes are not a state of this name and version.
    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut aligned = AlignedVec::<16>::with_capacity(bytes.len());
        aligned.extend_from_slice(bytes);
        rkyv::from_bytes::<Self, rancor::Error>(&aligned).map_err(|e| {
            Error::new("E0502", format!("not a state \"{}\" of version {}", Self::NAME, Self::VERSION))
                .because(e)
                .remedy("restore an undamaged checkpoint, or migrate the state")
        })
    }

    /// The state from the bytes of an earlier version, one of [`MIGRATES`](State::MIGRATES). Called once for each key when
    /// the job comes back; the next checkpoint holds all of them anew.
    ///
    /// # Errors
    /// `E0503` by default; whatever says why the bytes cannot be taken over.
    ///
    /// # Examples
    /// A field was added, and the old layout is kept to read what was stored:
    /// ```
    /// use watchfire_engine::{Error, State, rkyv};
    /// #[derive(Clone, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
    /// struct OldPeak { load_kg: f64 }
    /// impl State for OldPeak {
    ///     const NAME: &'static str = "peak";
    ///     const VERSION: u32 = 1;
    /// }
    /// #[derive(Clone, Default, Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
    /// struct Peak { load_kg: f64, count: Option<u64> }
    /// impl State for Peak {
    ///     const NAME: &'static str = "peak";
    ///     const VERSION: u32 = 2;
    ///     const MIGRATES: &'static [u32] = &[1];
    ///     fn migrate(_version: u32, bytes: &[u8]) -> Result<Self, Error> {
    ///         Ok(Peak { load_kg: OldPeak::decode(bytes)?.load_kg, count: None })
    ///     }
    /// }
    /// let stored = OldPeak { load_kg: 3.5 }.encode()?;
    /// assert_eq!(Peak::migrate(1, &stored)?, Peak { load_kg: 3.5, count: None });
    /// # Ok::<(), Error>(())
    /// ```
    fn migrate(version: u32, bytes: &[u8]) -> Result<Self, Error> {
        let _ = bytes;
        let what = format!("version {version} of state \"{}\" cannot be read, only {}", Self::NAME, Self::VERSION);
        Err(Error::new("E0503", what).remedy("implement State::migrate, or run the release that wrote it"))
    }
}

impl State for () {
    const NAME: &'static str = "none";
    const VERSION: u32 = 1;
}
