//! `-k` and `-m`: what the passes made, as files.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::pipeline::{Compiled, Pass};

/// Writes what every pass made into `folder`, or into a new folder of its own; gives where.
///
/// # Errors
/// A folder that cannot be made or written.
pub fn keep(compiled: &Compiled, folder: Option<&Path>) -> Result<PathBuf, String> {
    let folder = match folder {
        Some(folder) => fs::create_dir_all(folder).map(|()| folder.to_owned()),
        None => new_folder(),
    };
    let folder = folder.map_err(|error| format!("cannot create a folder to keep things in: {error}"))?;
    for (pass, name) in [
        (Pass::Parse, "pass1.stp"),
        (Pass::Elaborate, "pass2.txt"),
        (Pass::Lower, "pass3.ir"),
        (Pass::Generate, "pass4.asm"),
    ] {
        write(&folder.join(name), compiled.text_form(pass).as_bytes())?;
    }
    if let Some(object) = compiled.elf() {
        write(&folder.join("pass4.o"), &object)?;
    }
    Ok(folder)
}

/// A folder nobody knew of before and nobody else may enter.
fn new_folder() -> io::Result<PathBuf> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let mut tries = 0;
    loop {
        let name = format!("tapdeck-{}-{:x}", std::process::id(), since + tries);
        let path = std::env::temp_dir().join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < 100 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

/// `-m`: leaves `NAME.o` in the current folder, an object bpftool and llvm-objdump read, as stap leaves `NAME.ko`.
///
/// # Errors
/// It cannot be written.
pub fn object(compiled: &Compiled, name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(format!("{name}.o"));
    write(&path, &compiled.elf().unwrap_or_default())?;
    Ok(path)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
