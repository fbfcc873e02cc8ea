//! Debug files of kernels, on machines made of folders.

use std::{fs, path::PathBuf, sync::Arc};

use super::*;
use crate::{
    debuginfo::dwarf::tests::bytes_of,
    host::{Bytes, Recorded},
};

/// A machine with files; gone when the test ends.
struct Machine {
    folder: PathBuf,
}

impl Machine {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tapdeck-catalog-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let machine = Self { folder };
        machine.put("host.txt", b"release 6.1.0-9-amd64\n");
        machine
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.folder.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("is in a folder")).expect("can be made");
        fs::write(path, bytes).expect("can be written");
    }

    fn host(&self) -> Recorded {
        Recorded::new(&self.folder)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn notes_with(build_id: &[u8]) -> Vec<u8> {
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
