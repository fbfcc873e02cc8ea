//! Print records to text: recipes computed, then the format. The fast way (arguments are the inputs) allocates nothing.

use tapdeck_ebpf::{
    ir::{InputTy, PrintId, PrintSite, Recipe, SourceTag},
    layout::record::{self, InputRef},
};

use super::{Effects, Interpreter, Outcome, RuntimeError, Stores, stores::NoStores};
use crate::{
    builtins::{Stream, Value},
    output::{
        histogram,
        printf::{self, PrintArg},
    },
};

/// Arguments held without the heap.
const INLINE: usize = 8;

/// Arguments of one print, usually without the heap.
#[derive(Debug)]
pub struct ArgList<'a> {
    inline: [PrintArg<'a>; INLINE],
    n: usize,
    /// Holds all of them when there are more.
    spill: Vec<PrintArg<'a>>,
}

impl<'a> ArgList<'a> {
    pub fn push(&mut self, arg: PrintArg<'a>) {
        if let Some(free) = self.inline.get_mut(self.n) {
            *free = arg;
        } else {
            if self.spill.is_empty() {
                self.spill.extend_from_slice(&self.inline);
            }
            self.spill.push(arg);
        }
        self.n += 1;
    }

    pub fn as_slice(&self) -> &[PrintArg<'a>] {
        if self.spill.is_empty() { &self.inline[..self.n] } else { &self.spill }
    }
}

impl Default for ArgList<'_> {
    fn default() -> Self {
        Self { inline: [PrintArg::Long(0); INLINE], n: 0, spill: Vec::new() }
    }
}

/// Whether the arguments are the inputs, in order.
pub(super) fn is_plain(site: &PrintSite) -> bool {
    site.args.iter().enumerate().all(|(idx, recipe)| *recipe == Recipe::Input(idx))
}

impl Interpreter {
    /// Appends the text of a print.
    ///
    /// # Errors
    /// "empty aggregate" of a histogram, or what a deferred function raises. `out` is then as it was.
    pub fn render(
        &self,
        site: PrintId,
        inputs: &[PrintArg<'_>],
        stores: &dyn Stores,
        out: &mut Vec<u8>,
    ) -> Result<(), RuntimeError> {
        let print_site = &self.lowered.ir.print_sites[site.index()];
        let Some(format) = self.lowered.formats.get(print_site.format as usize) else { return Ok(()) };
        if self.plain[site.index()] {
            printf::format(format, inputs, out);
            return Ok(());
        }
        let computed: Vec<Computed<'_>> = print_site
            .args
            .iter()
            .map(|recipe| self.compute(recipe, inputs, stores))
            .collect::<Result<_, RuntimeError>>()?;
        let mut args = ArgList::default();
        for value in &computed {
            args.push(match value {
                Computed::Input(arg) => *arg,
                Computed::Made(Value::Long(n)) => PrintArg::Long(*n),
                Computed::Made(Value::Str(text)) => PrintArg::Str(text),
            });
        }
        printf::format(format, args.as_slice(), out);
        Ok(())
    }

    /// Appends the text of a print record that lies at `bytes`.
    ///
    /// # Errors
    /// As [`Interpreter::render`].
    pub fn render_record(
        &self,
        site: PrintId,
        bytes: &[u8],
        stores: &dyn Stores,
        out: &mut Vec<u8>,
    ) -> Result<(), RuntimeError> {
        self.with_record(site, bytes, |args| self.render(site, args, stores, out))
    }

    /// Runs the rest of a handler over a record that lies at `bytes`. A site without one does nothing.
    pub fn run_record(
        &self,
        site: PrintId,
        bytes: &[u8],
        stores: &mut dyn Stores,
        effects: &mut dyn Effects,
    ) -> Outcome {
        let print_site = &self.lowered.ir.print_sites[site.index()];
        let Some(rest) = &print_site.runs else { return Outcome::Done };
        let mut here = self.surroundings.clone();
        let args = self.with_record(site, bytes, |inputs| {
            here.told = rest
                .context
                .iter()
                .filter_map(|(op, input)| Some((*op, owned(inputs.get(*input).copied()?))))
                .collect();
            self.values(&print_site.args, inputs, stores)
        });
        match args {
            Ok(args) => self.run_function_as(&here, rest.function, args, stores, effects),
            Err(error) => Outcome::Error(error),
        }
    }

    /// The text of a packed one, [`tapdeck_ebpf::ir::Ty::Packed`].
    ///
    /// # Errors
    /// What a function raises that makes it.
    pub fn unpack(&self, bytes: &[u8]) -> Result<Vec<u8>, RuntimeError> {
        let mut text = Vec::new();
        // A record that another processor was just writing may say anything.
        let known = |site: &PrintId| site.index() < self.lowered.ir.print_sites.len();
        if let Some(site) = record::packed_site(bytes).filter(known)
            && let Some(recipe) = self.lowered.ir.print_sites[site.index()].args.first()
        {
            self.with_record(site, bytes, |args| self.make_text(recipe, args, &NoStores, &mut text))?;
        }
        Ok(text)
    }

    /// The inputs of a record; packed ones as their texts.
    fn with_record<T>(
        &self,
        site: PrintId,
        bytes: &[u8],
        f: impl FnOnce(&[PrintArg<'_>]) -> Result<T, RuntimeError>,
    ) -> Result<T, RuntimeError> {
        let print_site = &self.lowered.ir.print_sites[site.index()];
        let mut texts = Vec::new();
        if print_site.inputs.iter().any(|input| matches!(input, InputTy::Packed { .. })) {
            let mut failed = None;
            record::visit_inputs(bytes, print_site, |input| {
                if let InputRef::Packed(packed) = input {
                    texts.push(self.unpack(packed).unwrap_or_else(|error| {
                        failed.get_or_insert(error);
                        Vec::new()
                    }));
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        let mut args = ArgList::default();
        let mut unpacked = texts.iter();
        record::visit_inputs(bytes, print_site, |input| {
            args.push(match input {
                InputRef::Long(n) => PrintArg::Long(n),
                InputRef::Str(text) => PrintArg::Str(text),
                InputRef::Memory(memory) => PrintArg::Memory(memory.unwrap_or_default()),
                InputRef::Packed(_) => PrintArg::Str(unpacked.next().map_or(b"", |text| text.as_slice())),
            });
        });
        f(args.as_slice())
    }

    /// What a recipe makes of inputs, as a text.
    pub(super) fn make_text(
        &self,
        recipe: &Recipe,
        inputs: &[PrintArg<'_>],
        stores: &dyn Stores,
        out: &mut Vec<u8>,
    ) -> Result<(), RuntimeError> {
        match self.compute(recipe, inputs, stores)? {
            Computed::Input(PrintArg::Str(text) | PrintArg::Memory(text)) => out.extend_from_slice(text),
            Computed::Made(Value::Str(text)) => out.extend_from_slice(&text),
            Computed::Input(PrintArg::Long(_)) | Computed::Made(Value::Long(_)) => {}
        }
        Ok(())
    }

    /// Where the text of a print goes.
    pub fn stream(&self, site: PrintId) -> Stream {
        let format = self.lowered.ir.print_sites[site.index()].format as usize;
        self.lowered.streams.get(format).copied().unwrap_or_default()
    }

    fn compute<'a>(
        &self,
        recipe: &Recipe,
        inputs: &[PrintArg<'a>],
        stores: &dyn Stores,
    ) -> Result<Computed<'a>, RuntimeError> {
        Ok(match recipe {
            Recipe::Input(idx) => Computed::Input(inputs.get(*idx).copied().unwrap_or(PrintArg::Long(0))),
            Recipe::Apply { function, args } => {
                Computed::Made(self.call_function(*function, self.values(args, inputs, stores)?)?)
            }
            Recipe::Hist { store, keys, shape } => {
                let keys = self.values(keys, inputs, stores)?;
                let merged = stores.stat(*store, &keys).map_err(error)?;
                if merged.count == 0 {
                    return Err(error("empty aggregate".to_owned()));
                }
                let mut picture = Vec::new();
                histogram::render(*shape, &merged.buckets, self.lowered.histogram, &mut picture);
                Computed::Made(Value::Str(picture))
            }
        })
    }

    pub(super) fn values(
        &self,
        recipes: &[Recipe],
        inputs: &[PrintArg<'_>],
        stores: &dyn Stores,
    ) -> Result<Vec<Value>, RuntimeError> {
        let value = |recipe| {
            Ok(match self.compute(recipe, inputs, stores)? {
                Computed::Made(value) => value,
                Computed::Input(arg) => owned(arg),
            })
        };
        recipes.iter().map(value).collect()
    }
}

fn owned(arg: PrintArg<'_>) -> Value {
    match arg {
        PrintArg::Long(n) => Value::Long(n),
        PrintArg::Str(text) | PrintArg::Memory(text) => Value::Str(text.to_vec()),
    }
}

enum Computed<'a> {
    Input(PrintArg<'a>),
    Made(Value),
}

fn error(message: String) -> RuntimeError {
    RuntimeError { message: message.into_bytes(), tag: SourceTag::NONE }
}
