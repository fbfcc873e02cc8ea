//! stap's command line, through `tapdeck run` and through a link named `stap`.

use std::{fs, os::unix::fs::symlink, process::Stdio};

use crate::binary::{Ran, TempDir, finish, require_bpf, require_program, run, start, tapdeck, wait_until};

/// `probe begin { BODY exit() }`, run with more arguments.
fn begin(body: &str, more: &[&str]) -> Ran {
    let script = format!("probe begin {{ {body}; exit() }}");
    let mut args = vec!["-e", &script];
    args.extend(more);
    run(&args)
}

#[test]
fn a_script_comes_from_e_a_file_or_standard_input() {
    let folder = TempDir::new("script");
    let text = "probe begin { println($1 + 1, \" \", @2, \" \", $#); exit() }";
    let path = folder.file("a.stp", text);
    assert_eq!(run(&["-e", text, "4", "five"]).ok(), "5 five 2\n");
    assert_eq!(run(&[path.to_str().unwrap(), "4", "five"]).ok(), "5 five 2\n");

    let mut command = tapdeck();
    command.args(["run", "-", "6", "seven"]).stdin(Stdio::piped());
    let mut running = start(command);
    running.write_stdin(text.as_bytes());
    assert_eq!(running.finish().ok(), "7 seven 2\n");
}

#[test]
fn a_file_of_macros_with_a_mistake_is_left_out() {
    let folder = TempDir::new("macros");
    let bad = folder.file("bad.stpm", "@define ok %( 1 %)\n@define broken( %( 2 %)\n");
    folder.file("fine.stpm", "@define fine %( 7 %)\n");
    let below = folder.0.to_str().unwrap();
    let ran = run(&["-I", below, "-e", "probe begin { println(@fine); exit() }"]);
    assert_eq!((ran.code, &*ran.out), (0, "7\n"), "{ran:?}");
    let why = format!("parse error: expected identifier\n         at: operator '%(' at {}:2:17\n", bad.display());
    assert!(ran.err.starts_with(&why), "{}", ran.err);
    let left_out = format!("\nWARNING: macro tapset \"{}\" has errors, and will be skipped.\n", bad.display());
    assert!(ran.err.ends_with(&left_out), "{}", ran.err);
    let err = run(&["-p1", "-I", below, "-e", "probe begin { println(@ok) }"]).failed();
    assert!(err.contains("parse error: unknown operator @ok\n"), "{err}");
}

#[test]
fn more_script_text_comes_with_capital_e() {
    let text = run(&["-e", "probe begin(1) { println(\"main\"); exit() }", "-E", "probe begin { println(\"first\") }"]);
    assert_eq!(text.ok(), "first\nmain\n");
    // It comes with a script and is none.
    run(&["-E", "probe begin { println(1) }"]).failed();
}

#[test]
fn one_e_only() {
    let err = run(&["-e", "probe begin { exit() }", "-e", "probe begin { exit() }"]).failed();
    assert_eq!(err, "Only one script can be given on the command line.\n");
}

#[test]
fn options_may_follow_the_script_and_dashes_end_them() {
    let folder = TempDir::new("options");
    let path = folder.file("a.stp", "global g = 1 probe begin { println(g, \" \", @1); exit() }");
    let path = path.to_str().unwrap();
    assert_eq!(run(&[path, "word", "-G", "g=3"]).ok(), "3 word\n");
    assert_eq!(run(&[path, "-G", "g=3", "word"]).ok(), "3 word\n");
    assert_eq!(run(&[path, "--", "-G"]).ok(), "1 -G\n");
    assert_eq!(run(&["-G", "g=2", "--", path, "-x"]).ok(), "2 -x\n");
}

#[test]
fn a_link_named_stap_is_stap() {
    let folder = TempDir::new("link");
    let link = folder.0.join("stap");
    symlink(env!("CARGO_BIN_EXE_tapdeck"), &link).unwrap();
    let stap = |args: &[&str]| {
        let mut command = std::process::Command::new(&link);
        command.args(args).stdin(Stdio::null());
        finish(command)
    };
    assert_eq!(stap(&["-e", "probe begin { println(\"as stap\"); exit() }"]).ok(), "as stap\n");
    assert!(stap(&["-V"]).ok().contains("SystemTap"));
    assert!(stap(&["--help"]).ok().contains("stap [OPTIONS]"));
}

#[test]
fn usage_errors_are_exit_code_1() {
    for args in [
        &["--no-such-option"][..],
        &["-p", "0", "-e", "probe begin {}"],
        &["-p6", "-e", "probe begin {}"],
        &["-x", "none", "-e", "probe begin {}"],
        &["-c", "true", "-x", "1", "-e", "probe begin {}"],
        &["-s", "0", "-e", "probe begin {}"],
        &["-D", "MAXACTION=lots", "-e", "probe begin {}"],
        &["-G", "bad name=1", "-e", "probe begin {}"],
        &["-T", "soon", "-e", "probe begin {}"],
        &["/no/such/file.stp"],
        &["-e", ""],
        &["-e", "  # only a comment\n"],
        &[],
    ] {
        let err = run(args).failed();
        assert!(!err.is_empty(), "{args:?}");
    }
    let err = run(&["/no/such/file.stp"]).failed();
    assert_eq!(err, "Input file '/no/such/file.stp' is missing.\nPass 1: parse failed.  [man error::pass1]\n");
}

#[test]
fn version_and_help_are_successes() {
    for version in ["-V", "--version"] {
        assert!(run(&[version]).ok().starts_with("tapdeck "), "{version}");
    }
    for help in ["-h", "--help"] {
        let text = run(&[help]).ok();
        assert!(text.contains("-e") && text.contains("MAXACTION"), "{text}");
    }
    let mut plain = tapdeck();
    plain.arg("--help");
    let text = finish(plain).ok();
    assert!(text.contains("doctor") && text.contains("CAP_BPF"), "{text}");
}

#[test]
fn passes_stop_where_told() {
    let script = "global n probe begin { n[\"a\"] = 1 + 2; printf(\"%d\\n\", n[\"a\"]) exit() }";
    let first = run(&["-p1", "-e", script]).ok();
    let dump = "# parse tree dump
# file <input>
global n
probe begin{
(n[\"a\"]) = ((1) + (2));
printf(\"%d\\\\n\", n[\"a\"]);
exit();
}

";
    assert_eq!(first, dump);
    let second = run(&["-p2", "-e", script]).ok();
    assert!(
        second.contains("# globals") && second.contains("n:long [string]") && second.contains("# probes"),
        "{second}"
    );
    let third = run(&["-p3", "-e", script]).ok();
    assert!(third.contains("handler"), "{third}");
    run(&["-p4", "-e", script]).ok();
    assert_eq!(run(&["-p5", "-e", script]).ok(), "3\n");
    assert_eq!(run(&["-p", "1", "-e", script]).ok(), first);
}

#[test]
fn each_pass_has_its_own_failure() {
    let err = run(&["-e", "probe begin { if 1 }"]).failed();
    assert!(err.starts_with("parse error: ") && err.contains("     source: probe begin { if 1 }\n"), "{err}");
    assert!(err.ends_with("Pass 1: parse failed.  [man error::pass1]\n"), "{err}");
    let err = run(&["-e", "probe begin { foo() }"]).failed();
    assert!(err.starts_with("semantic error: ") && err.contains("'foo'"), "{err}");
    assert!(err.ends_with("Pass 2: analysis failed.  [man error::pass2]\n"), "{err}");
    let err = run(&["-e", "probe syscal.open { println(1) }"]).failed();
    assert!(err.contains("syscall"), "the nearest name is not told: {err}");
    let err = begin("error(\"no\")", &[]).failed();
    assert!(err.ends_with("Pass 5: run failed.  [man error::pass5]\n"), "{err}");
}

#[test]
fn verbose_says_what_each_pass_did() {
    let ran = run(&["-v", "-e", "probe begin { println(1); exit() }"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out, "1\n");
    for pass in ["Pass 1: parsed user script and ", "Pass 2: analyzed script: 1 probe", "Pass 3: ", "Pass 4: "] {
        assert!(ran.err.contains(pass), "{pass}: {}", ran.err);
    }
    assert!(
        ran.err.contains("Pass 5: starting run.\n") && ran.err.contains("Pass 5: run completed in "),
        "{}",
        ran.err
    );
}

#[test]
fn what_a_wide_pattern_will_cost_is_told_before_it_is_armed() {
    if !require_bpf() {
        return;
    }
    let script = "global n probe syscall.*, kernel.trace(\"sched:sched_switch\") { n++ } probe timer.ms(10) { exit() }";
    let told = run(&["-w", "-v", "-e", script]);
    let (before, after) = told.err.split_once("Pass 5: starting run.\n").unwrap_or_else(|| panic!("{told:?}"));
    assert!(before.contains("Pass 5: 2 probes at ") && before.contains(" system calls, 1 tracepoint.\n"), "{before}");
    assert!(before.contains("events a second there (sched_switch ") && !after.contains("places"), "{told:?}");
    // As quiet as stap for those who did not ask.
    assert_eq!(run(&["-e", script]).err, "");
}

#[test]
fn warnings_can_be_silenced_or_made_errors() {
    let script = "function unused() { return 1 } probe begin { println(\"ran\"); exit() }";
    let plain = run(&["-u", "-e", script]);
    assert_eq!((plain.out.as_str(), plain.code), ("ran\n", 0));
    let script = "probe begin { println(never + 1); exit() }";
    let plain = run(&["-e", script]);
    assert!(plain.code == 0 && plain.err.contains("WARNING: never-assigned local variable 'never'"), "{plain:?}");
    let quiet = run(&["-w", "-e", script]);
    assert_eq!((quiet.code, quiet.err.as_str()), (0, ""));
    let strict = run(&["-W", "-e", script]);
    assert!(strict.code == 1 && strict.out.is_empty(), "{strict:?}");
}

#[test]
fn unoptimized_checks_what_is_unused() {
    let script = "function wrong() { return 1 . 2 } probe begin { x = 1 . 2; println(\"ran\"); exit() }";
    assert_eq!(run(&["-w", "-e", script]).ok(), "ran\n");
    assert!(run(&["-u", "-e", script]).failed().contains("type mismatch"));
    // A function nobody calls is not looked at then.
    let script = "global unused function wrong() { return 1 . 2 } probe begin { println(\"ran\"); exit() }";
    assert_eq!(run(&["-u", "-e", script]).ok(), "ran\n");
}

#[test]
fn limits_are_set_with_d() {
    let script = "global a probe begin { for (i = 0; i < 5; i++) a[i] = 1; println(\"fits\"); exit() }";
    assert_eq!(run(&["-e", script, "--no-global-var-display"]).ok(), "fits\n");
    assert!(run(&["-DMAXMAPENTRIES=3", "-e", script]).failed().contains("Array overflow"));
    let script = "probe begin { println(strlen(\"0123456789\" . sprint(12345))); exit() }";
    assert_eq!(run(&["-e", script]).ok(), "15\n");
    // Eleven bytes and a NUL, though memory is laid out in words; what was cut is said at the end.
    let cut = run(&["-D", "MAXSTRINGLEN=12", "-e", script]);
    assert_eq!((cut.code, cut.out.as_str()), (0, "11\n"));
    assert!(cut.err.contains("WARNING: 1 strings were cut at their limit"), "{}", cut.err);
    let unknown = run(&["-DNOSUCH=yes", "-e", script]);
    assert_eq!((unknown.out.as_str(), unknown.code), ("15\n", 0));
    assert_eq!(unknown.err, "WARNING: -D NOSUCH has no effect: there is no such limit\n");
    assert!(run(&["-DNO;SUCH", "-e", script]).failed().contains("NO;SUCH"));
    // What only a module compiler has is taken.
    assert_eq!(run(&["-DSTP_NO_OVERLOAD", "-DKRETACTIVE=100", "-e", script]).ok(), "15\n");
}

#[test]
fn maxerrors_forgives_so_many() {
    let script = "probe begin, begin, begin { error(\"no\") } probe begin(1) { exit() } probe end { println(\"end\") }";
    assert_eq!(run(&["-DMAXERRORS=2", "-e", script]).out, "");
    let forgiven = run(&["-DMAXERRORS=3", "-e", script]);
    assert_eq!(forgiven.out, "end\n");
    assert!(forgiven.err.contains("WARNING: Number of errors: 3, skipped probes: 0"), "{}", forgiven.err);
    let caught = run(&["--suppress-handler-errors", "-e", script]);
    assert_eq!((caught.out.as_str(), caught.code), ("end\n", 0), "{caught:?}");
}

#[test]
fn globals_are_set_with_capital_g() {
    let script = "global n = 1, s = \"old\" probe begin { println(n, s); exit() }";
    assert_eq!(run(&["-G", "n=5", "-G", "s=new", "-e", script]).ok(), "5new\n");
    assert_eq!(run(&["-Gn=-5", "-e", script]).ok(), "-5old\n");
    // stap leaves it to the kernel, which does not mind either.
    let ran = run(&["-G", "unknown=1", "-e", script]);
    assert_eq!((ran.out.as_str(), ran.code), ("1old\n", 0));
    assert_eq!(ran.err, "WARNING: -G unknown has no effect: the script has no such global\n");
}

#[test]
fn a_command_is_the_target_and_ends_the_run() {
    let script = "probe begin { printf(\"%d\\n\", target() > 1) } probe end { println(\"end\") }";
    assert_eq!(run(&["-c", "true", "-e", script]).ok(), "1\nend\n");
    let failed = run(&["-c", "sh -c 'exit 3'", "-e", script]);
    assert_eq!((failed.out.as_str(), failed.code), ("1\nend\n", 1));
    assert!(failed.err.contains("WARNING: ") && failed.err.contains('3'), "{}", failed.err);
    let missing = run(&["-c", "no-such-command-anywhere", "-e", script]).failed();
    assert!(missing.contains("no-such-command-anywhere"), "{missing}");
}

#[test]
fn a_command_waits_for_the_probes() {
    if !require_bpf() {
        return;
    }
    // Its own execve is seen, which a command that ran ahead of the probes would have behind it.
    let script = "probe syscall.execve { if (pid() == target()) println(\"exec\") }";
    assert_eq!(run(&["-c", "true", "-e", script]).ok(), "exec\n");
    let late = "probe begin { for (i = 0; i < 3; i++) println(i) } probe syscall.write { if (pid() == target()) \
                println(\"write\") }";
    assert_eq!(run(&["-c", "echo hello", "-o", "/dev/null", "-e", late]).ok(), "hello\n");
}

#[test]
fn a_process_can_be_the_target() {
    let script = "probe begin { println(target()); exit() }";
    let pid = std::process::id().to_string();
    assert_eq!(run(&["-x", &pid, "-e", script]).ok(), format!("{pid}\n"));
    let err = run(&["-x", "999999999", "-e", script]).failed();
    assert!(err.contains("999999999"), "{err}");
}

#[test]
fn a_time_limit_ends_softly() {
    let script =
        "probe begin { println(\"begin\") } probe timer.s(1000) { println(\"never\") } probe end { println(\"end\") }";
    assert_eq!(run(&["-T", "0.2", "-e", script]).ok(), "begin\nend\n");
}

#[test]
fn output_goes_to_a_file_with_the_time_in_its_name() {
    let folder = TempDir::new("output");
    let plain = folder.0.join("plain.txt");
    let script = "probe begin { println(\"to the file\"); warn(\"to the terminal\"); exit() }";
    let ran = run(&["-o", plain.to_str().unwrap(), "-e", script]);
    assert_eq!((ran.out.as_str(), ran.code), ("", 0));
    assert!(ran.err.contains("WARNING: to the terminal"), "{}", ran.err);
    assert_eq!(fs::read_to_string(&plain).unwrap(), "to the file\n");

    let pattern = folder.0.join("%Y-%m.txt");
    run(&["-w", "-o", pattern.to_str().unwrap(), "-e", script]).ok();
    let names: Vec<String> =
        fs::read_dir(&folder.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.len() == "2026-01.txt".len() && name.starts_with("20")), "{names:?}");

    let err = run(&["-o", "/no/such/folder/x", "-e", script]).failed();
    assert!(err.contains("/no/such/folder/x"), "{err}");
}

#[test]
fn unread_globals_are_printed_at_the_end() {
    let script = "global n, read probe begin { n = 3; read = 4; println(read); exit() }";
    assert_eq!(run(&["-e", script]).ok(), "4\nn=3\n");
    assert_eq!(run(&["--no-global-var-display", "-e", script]).ok(), "4\n");
}

/// The numbers in a line behind some words.
fn numbers_after(line: &str, words: &str) -> Vec<u64> {
    let (_, rest) = line.split_once(words).unwrap_or_else(|| panic!("{line}"));
    rest.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[test]
fn timing_reports_each_probe() {
    if !require_bpf() {
        return;
    }
    let folder = TempDir::new("timing");
    let out = folder.0.join("out");
    let script = "global n probe syscall.* { if (pid() == target()) n++ } probe end { println(n > 10) }
        probe begin { for (i = 0; i < 9000; i++) s .= \"x\" } probe never { n = 0 } probe end(1) { error(\"late\") }";
    let ran = run(&["-t", "-o", out.to_str().unwrap(), "-c", "cat /dev/null", "-e", script]);
    assert_eq!(ran.out, "");
    let text = fs::read_to_string(&out).unwrap();
    // Behind all the script says.
    let (before, report) = text.split_once("----- probe hit report: \n").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(before, "1\n");
    let lines: Vec<_> = report.lines().collect();
    let heads = ["syscall.*, (<input>:1:", "end, (<input>:1:", "begin, (<input>:2:", "end(1), (<input>:2:"];
    assert!(lines.len() == 4 && lines.iter().zip(heads).all(|(line, head)| line.starts_with(head)), "{report}");
    let all: Vec<Vec<u64>> = lines.iter().map(|line| numbers_after(line, "hits: ")).collect();
    for (numbers, ends) in
        all.iter().zip([" from: syscall.*, index: ", " from: end, ", " from: begin, ", " from: end(1), "])
    {
        let [hits, min, avg, max, variance, ..] = numbers[..] else { panic!("{report}") };
        assert!(hits > 0 && min <= avg && avg <= max && (hits == 1) == (variance == 0), "{report}");
        assert!(report.contains(&format!("variance: {variance},{ends}")), "{report}");
    }
    assert!(all[0][0] > 10 && all[0][1] > 0 && all[1][0] == 1, "{report}");
    // Thirty thousand rounds take longer than a line.
    assert!(all[2][1] > 10 * all[3][1] && all[2][1] > 100_000, "{report}");
}

#[test]
fn what_was_made_can_be_kept() {
    let ran = begin("println(1)", &["-k"]);
    assert_eq!(ran.code, 0);
    let folder = ran.err.split('"').nth(1).unwrap_or_else(|| panic!("no folder named: {}", ran.err));
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.len() >= 4, "{names:?}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_object_file_reads_with_the_usual_tools() {
    let folder = TempDir::new("object");
    let mut command = tapdeck();
    let script = "global n probe syscall.read { n[execname()] <<< $count } probe timer.s(1) { printf(\"%d\\n\", 1) }";
    command.current_dir(&folder.0).args(["run", "-p4", "-m", "reads", "-e", script]);
    assert_eq!(finish(command).ok(), "reads.o\n");
    let object = folder.0.join("reads.o");
    if require_program("llvm-objdump") {
        let mut objdump = std::process::Command::new("llvm-objdump");
        objdump.args(["-d", "--line-numbers"]).arg(&object);
        let text = finish(objdump).ok();
        assert!(text.contains("exit") && text.contains("call"), "{text}");
    }
    if require_bpf() {
        let mut loaded = aya::EbpfLoader::new().load_file(&object).unwrap();
        let programs: Vec<_> = loaded.programs_mut().map(|(name, program)| (name.to_owned(), program)).collect();
        assert!(!programs.is_empty());
        for (name, program) in programs {
            let program: &mut aya::programs::RawTracePoint = program.try_into().unwrap();
            program.load().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
    }
    if require_program("bpftool") && require_bpf() {
        let pin = std::path::PathBuf::from(format!("/sys/fs/bpf/tapdeck-it-{}", std::process::id()));
        let mut bpftool = std::process::Command::new("bpftool");
        bpftool.arg("prog").arg("loadall").arg(&object).arg(&pin);
        let ran = finish(bpftool);
        let pinned = fs::read_dir(&pin).map_or(0, |entries| entries.count());
        let _ = fs::remove_dir_all(&pin);
        assert!(ran.code == 0 && pinned > 0, "{ran:#?}");
    }
}

#[test]
fn programs_in_the_kernel_name_the_lines_of_the_script() {
    if !require_bpf() || !require_program("bpftool") {
        return;
    }
    let folder = TempDir::new("lines");
    let text = "global reads\nprobe begin { println(\"ready\") }\nprobe syscall.read {\n\treads++ // caf\u{e9}\n}\n\
                probe end { println(reads > 0) }\n";
    let path = folder.file("lines.stp", text);
    let mut command = tapdeck();
    command.arg("run").arg(&path);
    let mut running = start(command);
    running.wait_output("ready\n");
    let pid = running.child.id();
    let ids = || -> Vec<String> {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else { return Vec::new() };
        let texts = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
        texts
            .filter_map(|text| Some(text.lines().find_map(|line| line.strip_prefix("prog_id:"))?.trim().to_owned()))
            .collect()
    };
    wait_until("programs are loaded", || !ids().is_empty());
    let mut bpftool = std::process::Command::new("bpftool");
    bpftool.args(["prog", "dump", "xlated", "id", &ids()[0], "linum"]);
    let dump = finish(bpftool).ok();
    running.signal(2);
    assert_eq!(running.finish().code, 0);
    assert!(
        dump.contains("; reads++ // caf\u{e9} [file:") && dump.contains("lines.stp line_num:4 line_col:"),
        "{dump}"
    );
}

#[test]
fn probe_points_are_listed() {
    if require_bpf() {
        let text = run(&["-l", "syscall.open*"]).ok();
        assert!(text.lines().any(|line| line == "syscall.openat"), "{text}");
        let text = run(&["-L", "syscall.openat"]).ok();
        assert!(text.contains("filename:string") && text.contains("argstr:string"), "{text}");
    }
    assert_eq!(run(&["-l", "no.such.point"]).code, 1);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for args in [&["doctor"][..], &["settings"], &["completions", "bash"], &["run", "-L", "syscall.*"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = tapdeck();
        command.args(args).stdout(writer).stderr(Stdio::piped());
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        assert!(output.status.code().is_some_and(|code| code < 2), "{args:?}: {:?}", output.status);
    }
}

#[test]
fn doctor_tells_what_this_machine_allows() {
    let mut doctor = tapdeck();
    doctor.arg("doctor");
    let ran = finish(doctor);
    assert!(ran.out.contains("privilege") && ran.out.contains("BTF"), "{ran:?}");
    assert_eq!(ran.code == 0, ran.out.contains("Tracing works here."), "{ran:?}");
}
