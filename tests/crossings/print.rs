//! Prints what crosses to C (`mainsd::sys::crossings`) as the target of its build has it, for `tests/ci/static_builds.rs`: one line
//! each, `NAME|HEADERS|EXPRESSION OF C|VALUE`.

fn main() {
    for crossing in mainsd::sys::crossings::all() {
        let mainsd::sys::crossings::Crossing { name, headers, c, value } = crossing;
        println!("{name}|{headers}|{c}|{value}");
    }
}
