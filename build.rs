//! Puts the tapsets and themes into the binary: writes a list of names with `include_bytes!` for `src/embedded.rs`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut list = String::new();
    for (constant, folder, extensions) in
        [("TAPSETS", "tapsets", &["stp", "stpm"][..]), ("THEMES", "themes", &["toml"][..])]
    {
        // A folder is listed too, so that a new file in it is seen.
        println!("cargo::rerun-if-changed={folder}");
        let mut files = Vec::new();
        collect(&root.join(folder), extensions, &mut files);
        files.sort();
        list += &format!("pub static {constant}: &[(&str, &[u8])] = &[\n");
        for file in files {
            let name = file.strip_prefix(root.join(folder)).expect("collected below it");
            println!("cargo::rerun-if-changed={}", file.display());
            list += &format!("    ({:?}, include_bytes!({:?})),\n", name.display().to_string(), file.display());
        }
        list += "];\n";
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("embedded.rs"), list).expect("the build folder is writable");
}

fn collect(folder: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, extensions, files);
        } else if path.extension().is_some_and(|ext| extensions.iter().any(|wanted| ext == *wanted)) {
            files.push(path);
        }
    }
}
