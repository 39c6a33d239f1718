//! The models would see it: each of the library's deliberate mistakes, caught.

/// Makes a test of each line, and a table of them all: which test catches which fault.
///
/// `name: Fault by "model" as "in the panic" => |faults| the model`.
macro_rules! catches {
    ($($test:ident: $fault:ident by $by:literal as $kind:literal => $model:expr;)+) => {
        /// What is caught by which test.
        const CAUGHT: &[(crate::faults::Fault, &str)] = &[
            $((crate::faults::Fault::$fault, stringify!($test)),)+
        ];

        $(
            #[test]
            fn $test() {
                let test = testkit::begin!();
                let fault = crate::faults::Fault::$fault;
                let evidence = crate::child::must_fail(test.name(), $kind, || {
                    ($model)(crate::faults::Faults::inject(fault));
                });
                println!("caught: {fault:?} by {}: {evidence}", $by);
            }
        )+
    };
}
pub(crate) use catches;
