//! Debug files of kernels, on machines made of folders.

use std::{fs, path::PathBuf, sync::Arc};

use super::*;
use crate::{
    debuginfo::dwarf::tests::bytes_of,
    host::{Bytes, Recorded},
};

/// A machine with files; gone when the test ends.
pub(crate) struct Machine {
    folder: PathBuf,
}

impl Machine {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tapdeck-catalog-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let machine = Self { folder };
        machine.put("host.txt", b"release 6.1.0-9-amd64\n");
        machine
    }

    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.folder.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("is in a folder")).expect("can be made");
        fs::write(path, bytes).expect("can be written");
    }

    pub(crate) fn host(&self) -> Recorded {
        Recorded::new(&self.folder)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(super) fn notes_with(build_id: &[u8]) -> Vec<u8> {
    // Another note of "Xen" comes first, with a description that needs padding.
    let mut notes = vec![4, 0, 0, 0, 2, 0, 0, 0, 6, 0, 0, 0, b'X', b'e', b'n', 0, 9, 9, 0, 0];
    notes.extend([4, 0, 0, 0, build_id.len() as u8, 0, 0, 0, 3, 0, 0, 0, b'G', b'N', b'U', 0]);
    notes.extend(build_id);
    notes
}

#[test]
fn the_running_kernel_says_its_build() {
    assert_eq!(build_id_in_notes(&notes_with(&[1, 2, 3, 4])), Some(vec![1, 2, 3, 4]));
    assert_eq!(build_id_in_notes(&[]), None);
    assert_eq!(build_id_in_notes(&notes_with(&[1, 2, 3, 4])[..30]), None, "cut off");
    assert_eq!(build_id_in_notes(&[0xff; 64]), None);
}

#[test]
fn a_kernel_is_found_where_its_package_puts_it() {
    let machine = Machine::new("found");
    let bytes = bytes_of("gcc5.so");
    let id = DebugFile::parse(Bytes::Owned(bytes.clone())).expect("is well formed").build_id().to_owned();
    assert!(!id.is_empty());
    machine.put("/sys/kernel/notes", &notes_with(&id));
    machine.put("/usr/lib/debug/boot/vmlinux-6.1.0-9-amd64", &bytes);
    let found = find_kernel(&WantedKernel::of(&machine.host()), &machine.host());
    let place = "/usr/lib/debug/boot/vmlinux-6.1.0-9-amd64";
    assert_eq!(found.map(|(path, _)| path).map_err(|missing| missing.to_string()), Ok(PathBuf::from(place)));
    // By build id comes first.
    let by_id = build_id_place(&id).expect("has one");
    machine.put(by_id.to_str().expect("is text"), &bytes);
    let found = find_kernel(&WantedKernel::of(&machine.host()), &machine.host());
    assert_eq!(found.map(|(path, _)| path).map_err(|missing| missing.to_string()), Ok(by_id));
}

#[test]
fn a_file_of_another_build_is_refused() {
    let machine = Machine::new("refused");
    machine.put("/sys/kernel/notes", &notes_with(&[0xab; 20]));
    machine.put("/usr/lib/debug/boot/vmlinux-6.1.0-9-amd64", &bytes_of("gcc5.so"));
    let missing = find_kernel(&WantedKernel::of(&machine.host()), &machine.host()).map(|_| ()).expect_err("is refused");
    let text = missing.to_string();
    assert!(text.contains("vmlinux-6.1.0-9-amd64: is of another build"), "{text}");
    assert!(text.contains(&"ab".repeat(20)), "{text}");
    // One that cannot be told apart is believed.
    let wanted = WantedKernel { build_id: None, ..WantedKernel::of(&machine.host()) };
    assert!(find_kernel(&wanted, &machine.host()).is_ok());
}

#[test]
fn what_is_missing_is_said_with_the_package_that_brings_it() {
    let machine = Machine::new("missing");
    machine.put("/etc/os-release", b"NAME=\"Debian GNU/Linux\"\nID=debian\n");
    let missing =
        find_kernel(&WantedKernel::of(&machine.host()), &machine.host()).map(|_| ()).expect_err("is not there");
    let text = missing.to_string();
    assert!(text.contains("/usr/lib/debug/boot/vmlinux-6.1.0-9-amd64"), "{text}");
    assert!(missing.way_out.contains("apt install linux-image-6.1.0-9-amd64-dbg"), "{}", missing.way_out);
    // A file without debug information is not it.
    machine.put("/boot/vmlinux-6.1.0-9-amd64", &bytes_of("apart.so"));
    let missing =
        find_kernel(&WantedKernel::of(&machine.host()), &machine.host()).map(|_| ()).expect_err("is not there");
    assert!(missing.to_string().contains("has no debug information"), "{missing}");
}

#[test]
fn a_file_that_is_no_kernel_is_not_taken_for_one() {
    let machine = Machine::new("named");
    machine.put("/tmp/lib.so", &bytes_of("gcc5.so"));
    machine.put("/tmp/text", b"nothing of the kind");
    let named = |name: &str| named_kernel(Arc::new(machine.host()), name).map(|host| host.kernel_release());
    assert_eq!(named("6.1.0-9-amd64"), Ok("6.1.0-9-amd64".to_owned()), "it runs");
    assert_eq!(named("/tmp/lib.so"), Err("/tmp/lib.so: is no Linux kernel (it has no linux_banner)".to_owned()));
    assert_eq!(named("/tmp/text"), Err("/tmp/text: not an ELF file".to_owned()));
    assert_eq!(named("/tmp/nothing"), Err("/tmp/nothing: not there".to_owned()));
    assert!(
        named("5.10.0-1-amd64").is_err_and(|why| why.contains("vmlinux-5.10.0-1-amd64") && why.contains("-r /path"))
    );
}

/// A machine with a module called "shapes" that is loaded, and its debug information in `file`.
pub(crate) fn with_module(name: &str, file: &str, bytes: &[u8]) -> Machine {
    let machine = Machine::new(name);
    machine.put(
        "/lib/modules/6.1.0-9-amd64/modules.dep",
        b"kernel/fs/other.ko:\nkernel/lib/sha-pes.ko: kernel/fs/other.ko\n",
    );
    machine.put(file, bytes);
    machine.put("/sys/module/sha_pes/sections/.text", b"0xffffffffc0200000\n");
    machine.put("/sys/module/sha_pes/sections/.bss", b"0xffffffffc0300000\n");
    machine
}

const BESIDE: &str = "/usr/lib/debug/lib/modules/6.1.0-9-amd64/kernel/lib/sha-pes.ko";

#[test]
fn a_module_is_found_beside_its_place_or_in_it_however_it_is_kept() {
    let plain = bytes_of("object.o");
    let find = |file: &str, bytes: &[u8]| {
        let machine = with_module("module", file, bytes);
        let host = machine.host();
        let found = ModuleFiles::of(&host).find("sha_pes", &host);
        found.map(|(path, _)| path.display().to_string()).map_err(|missing| missing.to_string())
    };
    let own = "/lib/modules/6.1.0-9-amd64/kernel/lib/sha-pes.ko";
    for file in [BESIDE, &format!("{BESIDE}.debug"), own] {
        assert_eq!(find(file, &plain), Ok(file.to_owned()));
    }
    let mut stored = Vec::new();
    lzma_rs::xz_compress(&mut &*plain, &mut stored).expect("can be compressed");
    // As the kernel's build does it, where there is the program.
    let xz = compressed_by_xz(&plain).unwrap_or_else(|| stored.clone());
    let zst = ruzstd::encoding::compress_to_vec(&*plain, ruzstd::encoding::CompressionLevel::Fastest);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &plain).expect("can be compressed");
    let gz = gz.finish().expect("can be compressed");
    for bytes in [&stored, &xz, &zst, &gz] {
        assert_eq!(find(BESIDE, bytes), Ok(BESIDE.to_owned()));
        let cut = find(BESIDE, &bytes[..bytes.len() / 2]).expect_err("is cut off");
        assert!(cut.contains("cannot be decompressed") || cut.contains("sha-pes.ko: "), "{cut}");
    }
    let missing = find("/tmp/elsewhere", &plain).expect_err("is not there");
    assert!(
        missing.starts_with("no debug information of module sha_pes: there is none of /usr/lib/debug"),
        "{missing}"
    );
}

fn compressed_by_xz(plain: &[u8]) -> Option<Vec<u8>> {
    use std::{
        io::Write as _,
        process::{Command, Stdio},
    };
    let mut xz = Command::new("xz");
    xz.args(["--check=crc32", "--lzma2=dict=1MiB", "--stdout"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = xz.spawn().ok()?;
    running.stdin.take()?.write_all(plain).ok()?;
    running.wait_with_output().ok().map(|done| done.stdout)
}

#[test]
fn a_module_of_another_build_is_refused() {
    let machine = with_module("other-module", BESIDE, &bytes_of("object.o"));
    machine.put("/sys/module/sha_pes/notes/.note.gnu.build-id", &notes_with(&[0xab; 20]));
    let host = machine.host();
    let missing = ModuleFiles::of(&host).find("sha_pes", &host).map(|_| ()).expect_err("is refused");
    assert!(missing.to_string().contains("is of another build"), "{missing}");
    // One that depmod does not know.
    let missing = ModuleFiles::of(&host).find("nothing", &host).map(|_| ()).expect_err("is not there");
    assert!(missing.to_string().contains("modules.dep"), "{missing}");
}

#[test]
fn modules_of_a_kernel_given_by_its_file_are_near_it() {
    let machine = Machine::new("near-file");
    machine.put("/tree/boot/vmlinux-5.99.1-tapdeck", &bytes_of("vmlinux"));
    let host = || named_kernel(Arc::new(machine.host()), "/tree/boot/vmlinux-5.99.1-tapdeck").expect("is a kernel");
    let names = || ModuleFiles::of(&*host()).names(&*host());
    let find = || {
        let host = host();
        let found = ModuleFiles::of(&*host).find("sha_pes", &*host).map(|(path, _)| path.display().to_string());
        found.map_err(|missing| missing.to_string())
    };
    assert!(find().is_err_and(|missing| missing.contains("/lib/modules/5.99.1-tapdeck/modules.dep")));
    // Without a list of modules the folders are gone through; with one it counts.
    let tree = "/tree/lib/modules/5.99.1-tapdeck";
    machine.put(&format!("{tree}/kernel/lib/sha-pes.ko"), &bytes_of("object.o"));
    machine.put(&format!("{tree}/build/left-over.ko"), &bytes_of("object.o"));
    assert_eq!(names(), ["sha_pes"]);
    assert_eq!(find(), Ok(format!("{tree}/kernel/lib/sha-pes.ko")));
    machine.put(&format!("{tree}/extra/sha_pes.ko"), &bytes_of("object.o"));
    machine.put(&format!("{tree}/modules.dep"), b"extra/sha_pes.ko:\n");
    assert_eq!(find(), Ok(format!("{tree}/extra/sha_pes.ko")));
    machine
        .put("/lib/modules/5.99.1-tapdeck/modules.dep", b"kernel/net/a-b.ko.xz: kernel/lib/c.ko\nkernel/lib/c.ko:\n");
    assert_eq!(names(), ["a_b", "c", "sha_pes"]);
}
