//! `procfs` probes, what rests on them, and `input` probes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::binary::{Running, TempDir, finish, start, tapdeck, wait_until};

/// Runs a script that prints "ready" once it has begun.
fn begin(script: &str) -> (Running, PathBuf) {
    let mut command = tapdeck();
    command.args(["run", "-e", script]);
    let mut running = start(command);
    running.wait_output("ready\n");
    let folder = folder_of(running.child.id());
    (running, folder)
}

fn folder_of(pid: u32) -> PathBuf {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).unwrap_or_default().join("tapdeck");
    let temporary = std::env::temp_dir().join(format!("tapdeck-{}", tapdeck::sys::fifo::user()));
    let roots = [PathBuf::from("/run/tapdeck"), own, temporary];
    let mut folders = roots.iter().map(|root| root.join(format!("session.{pid}")));
    folders.find(|folder| folder.is_dir()).unwrap_or_else(|| panic!("no folder in {roots:?}"))
}

fn stop(running: Running) {
    running.signal(15);
    assert_eq!(running.finish().code, 0);
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const SCRIPT: &str = r#"
global n = 5
probe begin { println("ready") }
probe procfs("number").read { $value = sprintf("%d\n", n) }
probe procfs("number").write { n = strtol($value, 10) }
probe procfs("a/long").read.maxsize(1500) { for (i = 0; i < 100; i++) $value .= "0123456789012345678\n" }
probe procfs("short").read { for (i = 0; i < 100; i++) $value .= "0123456789012345678\n" }
probe procfs("short").read { $value .= "never seen" }
probe procfs.write { printf("<%s>", $value) if ($value == "stop\n") exit() }
probe end { printf("%d\n", @defined($value)) }
"#;

#[test]
fn files_are_read_and_written_and_go_with_the_session() {
    let (running, folder) = begin(SCRIPT);
    assert_eq!(read(&folder.join("number")), "5\n");
    fs::write(folder.join("number.write"), "42\n").unwrap();
    wait_until("the number is the new one", || read(&folder.join("number")) == "42\n");
    assert_eq!(read(&folder.join("a/long")).len(), 1500);
    assert_eq!(read(&folder.join("short")).len(), 511);
    let readers: Vec<_> =
        (0..8).map(|_| folder.join("number")).map(|path| std::thread::spawn(move || read(&path))).collect();
    for reader in readers {
        let text = reader.join().unwrap();
        // Two that come at the same instant share a pipe.
        assert!(text.is_empty() || text == "42\n", "{text:?}");
    }
    fs::write(folder.join("command"), "stop\n").unwrap();
    let ran = running.finish();
    assert!(ran.err.contains(&format!("the script's files are in {}", folder.display())), "{}", ran.err);
    assert_eq!((ran.out.as_str(), ran.code), ("<stop\n>0\n", 0));
    assert!(!folder.exists());
}

#[test]
fn files_go_when_a_signal_ends_the_session() {
    let (running, folder) = begin("probe begin { println(\"ready\") } probe procfs(\"x\").read { $value = \"1\" }");
    stop(running);
    assert!(!folder.exists());
}

#[test]
fn prometheus_gets_a_line_for_each_element() {
    let script = r#"
global a, b
function half(n) { return n / 2 }
function name(n) { return "no. " . n }
probe begin { a["x \"y\"", 7] = 3; a["z", 8] = 4; b["one"] = 10; println("ready") }
probe prometheus {
  @prometheus_dump_array2(a, "calls_total", "path", "pid")
  @prometheus_dump_array1_map(b, "half", "which", half, name)
  @prometheus_dump_array1_map_unquoted(b, "raw", "which", sprint, sprint)
}"#;
    let (running, folder) = begin(script);
    let expected = concat!(
        "calls_total{path=\"x \\\"y\\\"\",pid=\"7\"} 3\n",
        "calls_total{path=\"z\",pid=\"8\"} 4\n",
        "half{which=\"no. one\"} 5\n",
        "raw{which=one} 10\n",
    );
    assert_eq!(read(&folder.join("__prometheus")), expected);
    stop(running);
}

#[test]
fn json_says_what_there_is_and_what_it_is_now() {
    let script = r#"
probe begin {
  json_set_prefix("net")
  json_add_numeric_metric("n", "a \"count\"", "count")
  json_add_array("devices", "")
  json_add_array_numeric_metric("devices", "sent", "packets", "")
  json_add_array_string_metric("devices", "state", "")
  println("ready")
}
probe json_data {
  @json_output_data_start
  @json_output_numeric_value("n", 7)
  @json_output_array_numeric_value("devices", "eth0", "sent", 3)
  @json_output_array_string_value("devices", "eth0", "state", "up\n")
  @json_output_array_numeric_value("devices", "lo", "sent", 0)
  @json_output_data_end
}"#;
    let (running, folder) = begin(script);
    let metadata = concat!(
        r#"{"prefix":"net","metrics":[{"name":"n","pointer":"/n","type":"integer","description":"a \"count\"","#,
        r#""units":"count"},{"name":"devices","pointer":"/devices","type":"array","index":"/__id","metrics":["#,
        r#"{"name":"sent","pointer":"/sent","type":"integer","description":"packets"},"#,
        r#"{"name":"state","pointer":"/state","type":"string"}]}]}"#,
        "\n"
    );
    assert_eq!(read(&folder.join("metadata")), metadata);
    let data = concat!(r#"{"n":7,"devices":[{"__id":"eth0","sent":3,"state":"up\n"},{"__id":"lo","sent":0}]}"#, "\n");
    assert_eq!(read(&folder.join("data")), data);
    assert_eq!(read(&folder.join("data")), data);
    stop(running);
}

#[test]
fn input_comes_by_characters_and_by_lines() {
    let mut command = tapdeck();
    let script = "global n probe input.line { printf(\"[%s]\", line) } probe input.char { if (char == \"x\") exit(); n++ } \
                  probe end { println(n) }";
    command.args(["run", "-e", script]).stdin(Stdio::piped());
    let mut running = start(command);
    running.write_stdin(b"ab\nc\nx");
    let ran = running.finish();
    assert_eq!((ran.out.as_str(), ran.code), ("[ab\n][c\n]6\n", 0), "{}", ran.err);
}

#[test]
fn a_folder_is_named_after_the_script_and_each_session_has_its_own() {
    let folder = TempDir::new("script-files");
    let path = folder.0.join("my_files.stp");
    fs::write(&path, "probe procfs(\"x\").read { $value = module_name() } probe timer.ms(300) { exit() }").unwrap();
    let both: Vec<Running> = (0..2)
        .map(|_| {
            let mut command = tapdeck();
            command.arg("run").arg(&path);
            start(command)
        })
        .collect();
    let said: Vec<String> = both.into_iter().map(|running| running.finish().err).collect();
    let names = said.iter().filter(|text| text.contains("/my_files\n")).count();
    assert!(names >= 1 && said.iter().all(|text| text.contains("/my_files")), "{said:?}");
}

#[test]
fn the_text_is_there_in_probes_of_files_only() {
    for (script, message) in [
        ("probe begin { $value = \"x\" }", "unresolved target-symbol"),
        ("probe procfs(\"x\").read { $valeu = \"x\" }", "unable to find local 'valeu'"),
        ("probe procfs(\"../x\").read { $value = \"x\" }", "procfs path cannot be relative"),
    ] {
        let mut command = tapdeck();
        command.args(["run", "-p4", "-e", script]);
        let ran = finish(command);
        assert!(ran.code == 1 && ran.err.contains(message), "{script}: {}", ran.err);
    }
}
