//! Debug information from a server, through the distribution's client: a server of this test's own has a small kernel
//! that says it is the one running here.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::Stdio,
    sync::{Arc, Mutex},
};

use crate::{
    binary::{Ran, TempDir, require_program, start, tapdeck},
    listing::KERNEL,
};

/// Where the description of a build-id note begins: behind its sizes, its type (3) and "GNU".
fn build_id_at(bytes: &[u8]) -> Option<usize> {
    let head = [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, b'G', b'N', b'U', 0];
    bytes.windows(head.len()).position(|window| window == head).map(|at| at + head.len())
}

/// A server with one file, and what it was asked for.
pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn with(path: String, file: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("has one"));
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { break };
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let wanted =
                    lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let (status, body) = if wanted == path { ("200 OK", &file[..]) } else { ("404 Not Found", &b""[..]) };
                log.lock().expect("nobody panics").push(wanted);
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            }
        });
        Self { url, asked }
    }

    pub fn n_asked(&self) -> usize {
        self.asked.lock().expect("nobody panics").len()
    }
}

/// `tapdeck run ARGS` with folders of its own and an answer to a question.
fn ask(folder: &TempDir, url: &str, answer: &str, args: &[&str]) -> Ran {
    let mut command = tapdeck();
    command.env("XDG_CACHE_HOME", &folder.0).env("DEBUGINFOD_CACHE_PATH", folder.0.join("client"));
    command.env("DEBUGINFOD_URLS", url).env_remove("DEBUGINFOD_PROGRESS").stdin(Stdio::piped());
    let mut running = start({
        command.arg("run").args(args);
        command
    });
    running.write_stdin(answer.as_bytes());
    running.finish()
}

/// A server that has a file for the kernel that runs, what it is asked for then, and the kernel's build; `None` where this
/// cannot be tried.
pub fn serve_kernel() -> Option<(Server, String, String)> {
    let notes = fs::read("/sys/kernel/notes").unwrap_or_default();
    let Some(at) = build_id_at(&notes) else {
        eprintln!("skipped: this kernel does not say which build it is");
        return None;
    };
    if !require_program("debuginfod-find") || fs::exists(format!("/usr/lib/debug/boot/vmlinux-{}", release())).unwrap()
    {
        return None;
    }
    let id = &notes[at..at + 20];
    let mut kernel = fs::read(KERNEL).expect("is part of the project");
    let own = build_id_at(&kernel).expect("has one");
    kernel[own..own + 20].copy_from_slice(id);
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let wanted = format!("/buildid/{id}/debuginfo");
    Some((Server::with(wanted.clone(), kernel), wanted, id))
}

#[test]
fn a_server_is_asked_where_that_is_wanted_and_once() {
    let Some((server, wanted, id)) = serve_kernel() else { return };
    let folder = TempDir::new("debuginfod");
    let list = ["-l", "kernel.function(\"*@other.c\")"];
    let listed = "kernel.function(\"other@other.c:11\")\n";

    // Nobody said it may.
    let ran = ask(&folder, &server.url, "", &["-p2", "-e", "probe kernel.statement(\"other@other.c:12\") { }"]);
    assert!(ran.err.contains(&format!("fetched from {}: --download-debuginfo", server.url)), "{}", ran.err);
    let ran = ask(&folder, &server.url, "y\n", &["--download-debuginfo=no", list[0], list[1]]);
    assert_eq!((ran.code, server.n_asked()), (1, 0), "{}", ran.err);
    // Somebody is asked, and says no.
    let ran = ask(&folder, &server.url, "n\n", &["--download-debuginfo=ask", list[0], list[1]]);
    assert!(ran.err.contains(&format!("(build {id}) from {}? [y/N]", server.url)), "{}", ran.err);
    assert_eq!((ran.code, server.n_asked()), (1, 0));
    // Another server does not have it.
    let other = Server::with(String::new(), Vec::new());
    let script = ["-p2", "-e", "probe kernel.statement(\"other@other.c:12\") { }"];
    let ran = ask(&folder, &other.url, "", &[&["--download-debuginfo"], &script[..]].concat());
    assert!(ran.err.contains(&format!("{}: debuginfod-find: ", other.url)), "{}", ran.err);
    assert_eq!(other.n_asked(), 1);

    let folder = TempDir::new("debuginfod-yes");
    let ran = ask(&folder, &server.url, "y\n", &["--download-debuginfo=ask", list[0], list[1]]);
    assert_eq!(ran.out, listed, "{}", ran.err);
    assert_eq!(*server.asked.lock().expect("nobody panics"), [wanted]);
    // The client has it now.
    let ran = ask(&folder, &server.url, "", &list);
    assert_eq!((ran.out.as_str(), server.n_asked()), (listed, 1), "{}", ran.err);
    let ran = ask(&folder, &server.url, "", &["--download-debuginfo=soon", list[0], list[1]]);
    assert!(ran.err.contains("soon is not a valid value. Use 'yes', 'no', 'ask' or a timeout value."), "{}", ran.err);
}

fn release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}
