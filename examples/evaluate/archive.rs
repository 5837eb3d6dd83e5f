//! Files of a set of data: of a folder and those in it, or of an archive that is packed by gzip.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::Failed;

/// The text of each file that is wanted, by its path within.
pub fn texts(path: &Path, is_wanted: impl Fn(&Path) -> bool) -> Result<BTreeMap<PathBuf, String>, Failed> {
    let mut texts = BTreeMap::new();
    if path.is_dir() {
        of_folder(path, &is_wanted, &mut texts)?;
        return Ok(texts);
    }
    let mut archive = tar::Archive::new(MultiGzDecoder::new(std::fs::File::open(path)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let at = entry.path()?.into_owned();
        if is_wanted(&at) && entry.header().entry_type().is_file() {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            texts.insert(at, text);
        }
    }
    Ok(texts)
}

fn of_folder(
    path: &Path,
    is_wanted: &impl Fn(&Path) -> bool,
    texts: &mut BTreeMap<PathBuf, String>,
) -> Result<(), Failed> {
    for entry in std::fs::read_dir(path)? {
        let at = entry?.path();
        if at.is_dir() {
            of_folder(&at, is_wanted, texts)?;
        } else if is_wanted(&at) {
            let text = std::fs::read_to_string(&at)?;
            texts.insert(at, text);
        }
    }
    Ok(())
}
