//! Texts kept as the records they are made from: in variables, maps and other records.

use super::run::*;
use tapdeck_ebpf::{
    ir::*,
    layout::{
        Datum, Element,
        record::{self, Input, InputRef, Record},
    },
};

/// p0 is a plain text, p1 puts a number behind another text.
const PROGRAM: &str = r#"
limits string=512 action=1000 action_user=0 nesting=10
string s0 = "a text"
store g0 "args" [long] -> packed176 plain=p0 max=4 kernel
store g1 "last" [] -> packed176 plain=p0 max=1 kernel
print p0 format=0 inputs=[str128] args=[in0]
print p1 format=0 inputs=[packed152, long] args=[in0]
print p2 format=0 inputs=[long, packed176, packed176] args=[in0, in1, in2]
site site0 pp="" pn="" func="" name=""
handler h0 "x" probe=0 {
  var v0: long
  var v1: packed152
  var v2: packed176
  var v3: packed176
  var v4: str128
b0:
  v0 = context trace_arg 0
  v4 = read_text user v0 or_text s0
  v1 = pack p0($v4)
  v2 = pack p1(&v1, v0)
  set g0[v0] = &v2
  set g0[v0] = &v1
  set g0[7] = &v2
  set g1 = &v2
  v3 = get g0[v0]
  v2 = get g0[8]
  print p2(1, &v2, &v3)
  v2 = get g1
  v3 = packed
  print p2(2, &v2, &v3)
  return
}
entry tracepoint "sys_enter" args=6 { h0 site0 }
"#;

/// What is in a packed text: `text`, or `(inner)+number`.
fn unpacked(bytes: &[u8], program: &Program) -> String {
    let Some(site) = record::packed_site(bytes) else { return String::new() };
    let mut parts = Vec::new();
    record::visit_inputs(bytes, &program.print_sites[site.index()], |input| {
        parts.push(match input {
            InputRef::Long(n) => n.to_string(),
            InputRef::Str(text) => String::from_utf8_lossy(text).into_owned(),
            InputRef::Packed(inner) => format!("({})", unpacked(inner, program)),
            InputRef::Memory(_) => panic!("no memory here"),
        });
    });
    parts.join("+")
}

#[test]
fn packed_texts_are_kept_copied_and_sent() {
    if !permitted() {
        return;
    }
    let program = parse(PROGRAM).unwrap_or_else(|error| panic!("{error}"));
    if let Err(errors) = verify(&program) {
        panic!("{}", errors[0]);
    }
    let loaded = Loaded::new(program, &target()).unwrap_or_else(|error| panic!("{error}"));
    let text: Vec<u8> = (0..100).map(|i| b'a' + (i % 26) as u8).chain([0]).collect();
    let address = text.as_ptr() as i64;
    let text = String::from_utf8(text[..100].to_vec()).unwrap();
    for (argument, read) in [(address, text.as_str()), (3, "a text")] {
        loaded.run(0, &[argument as u64]);
        let whole = format!("({read})+{argument}");
        let sent: Vec<Vec<String>> = loaded
            .records()
            .into_iter()
            .map(|record| {
                let Record::Print { inputs, .. } = record else { panic!("{record:?}") };
                let show = |input| match input {
                    Input::Long(n) => n.to_string(),
                    Input::Packed(bytes) => unpacked(&bytes, &loaded.program),
                    other => panic!("{other:?}"),
                };
                inputs.into_iter().map(show).collect()
            })
            .collect();
        assert_eq!(sent, [["1", "", read], ["2", whole.as_str(), ""]]);
        let shown = |element: &Element| match element {
            Element::Packed(bytes) => unpacked(bytes, &loaded.program),
            other => panic!("{other:?}"),
        };
        let array = loaded.array(StoreId(0));
        let of = |key: i64| array.iter().find(|(keys, _)| keys[0] == Datum::Long(key)).map(|(_, e)| shown(e));
        assert_eq!(of(argument).as_deref(), Some(read));
        assert_eq!(of(7).as_deref(), Some(whole.as_str()));
        assert_eq!(shown(&loaded.scalar(StoreId(1))), whole);
    }
}
