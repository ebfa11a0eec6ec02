//! `machado serve`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::parsers::{at_least_one, one_to};
use super::{ComputeArgs, VocabularyArgs};

/// `machado serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// A model file of machado or Keras, or the folder of a run; may be given more than once, and with
    /// the name that it has in the API, as in NAME=FILE [default: the model inside the program]
    #[arg(long, short, value_name = "[NAME=]FILE", env = "MACHADO_MODEL")]
    pub model: Vec<NamedModel>,

    /// The folder of a run: serves its model, and shows its curves and samples, also while it trains
    #[arg(long, value_name = "RUN")]
    pub run: Option<PathBuf>,

    /// What the tokens of a Keras file stand for.
    #[command(flatten)]
    pub vocabulary: VocabularyArgs,

    /// The folder of the autoencoder of the first model [default: the folder "sae" beside each model]
    #[arg(long, value_name = "DIR")]
    pub sae: Option<PathBuf>,

    /// The texts in which the features of the first model are looked for; may be given more than once
    /// [default: those that a model was trained on]
    #[arg(long, value_name = "FILE")]
    pub text: Vec<PathBuf>,

    /// The address to listen at; 0.0.0.0 for all of this machine
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", env = "MACHADO_HOST")]
    #[arg(value_parser = host)]
    #[arg(help_heading = "Network")]
    pub host: IpAddr,

    /// The port to listen at; 0 takes a free one
    #[arg(long, short, value_name = "PORT", default_value_t = 8080, env = "MACHADO_PORT")]
    #[arg(help_heading = "Network")]
    pub port: u16,

    /// A key that requests must bring, as "Authorization: Bearer KEY"; may be given more than once
    #[arg(long, value_name = "KEY", env = "MACHADO_API_KEY", hide_env_values = true)]
    #[arg(value_parser = key)]
    #[arg(help_heading = "Network")]
    pub api_key: Vec<String>,

    /// Listen at an address that others can reach without asking for a key
    #[arg(long, help_heading = "Network")]
    pub insecure: bool,

    /// Another site whose pages may ask from a browser, such as `https://example.org`, or * for all; may
    /// be given more than once
    #[arg(long, value_name = "ORIGIN", value_parser = origin, help_heading = "Network")]
    pub cors_origin: Vec<String>,

    /// Refuse requests that name another model, also where only one is served
    #[arg(long, help_heading = "Limits")]
    pub strict_model: bool,

    /// Texts that are written at the same time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    #[arg(help_heading = "Limits")]
    pub parallel: usize,

    /// Requests that may wait for a place beside these; more are refused with status 503
    #[arg(long, value_name = "N", default_value_t = 256, help_heading = "Limits")]
    pub queue: usize,

    /// Tokens that a text may have
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = at_least_one)]
    #[arg(help_heading = "Limits")]
    pub max_tokens: usize,

    /// Tokens that a prompt may have
    #[arg(long, value_name = "N", default_value_t = 131_072, value_parser = at_least_one)]
    #[arg(help_heading = "Limits")]
    pub max_prompt: usize,

    /// Tokens that a request may have in all: those of its prompts, and prompts × texts × max_tokens
    #[arg(long, value_name = "N", default_value_t = 262_144, value_parser = at_least_one)]
    #[arg(help_heading = "Limits")]
    pub max_total: usize,

    /// Bytes that the body of a request may have
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = at_least_one)]
    #[arg(help_heading = "Limits")]
    pub max_body: usize,

    /// Seconds that a request may take
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = one_to::<1_000_000>)]
    #[arg(help_heading = "Limits")]
    pub timeout: usize,

    /// What is told on the standard error: debug has a line for each request
    #[arg(long, value_enum, default_value = "info", env = "MACHADO_LOG")]
    pub log: LogArg,

    /// Threads and vector instructions.
    #[command(flatten)]
    pub compute: ComputeArgs,
}

/// `127.0.0.1`, `::1`, `localhost`.
fn host(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| "expected an address such as 127.0.0.1 or ::1".to_owned())
}

/// Anything that can stand in a header.
fn key(text: &str) -> Result<String, String> {
    let fits = text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text.trim() == text;
    if text.is_empty() || !fits {
        return Err("expected a key of letters without accents, digits and signs".into());
    }
    Ok(text.to_owned())
}

/// `https://example.org`, `http://localhost:3000`, `*`.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| !host.is_empty() && !host.contains(['/', '?', '#', ' ']);
    if text == "*" || host.is_some_and(is_host) {
        return Ok(text.to_owned());
    }
    Err("expected a site as browsers write it, such as https://example.org, or *".into())
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogArg {
    /// Nothing but errors.
    Error,
    /// What went wrong.
    Warn,
    /// Beginning and end, too.
    Info,
    /// Each request, too.
    Debug,
}

/// A model, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedModel {
    /// Its name, if it was given.
    pub name: Option<String>,
    /// Where it lies.
    pub path: PathBuf,
}

impl std::str::FromStr for NamedModel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A path may have an equals sign behind its first folder.
        match text.split_once('=') {
            Some((name, path)) if !name.contains(['/', '\\']) => {
                if name.is_empty() || path.is_empty() {
                    return Err("expected NAME=FILE or FILE".into());
                }
                Ok(Self { name: Some(name.to_owned()), path: path.into() })
            }
            _ => Ok(Self { name: None, path: text.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hosts_and_sites_are_checked() {
        assert!(key("").is_err() && key("é").is_err() && key(" a").is_err() && key("a b").is_ok());
        assert!(host("localhost").is_ok() && host("::1").is_ok() && host("here").is_err());
        for (text, is_one) in [
            ("*", true),
            ("https://example.org", true),
            ("http://localhost:3000", true),
            ("https://example.org/", false),
            ("example.org", false),
        ] {
            assert_eq!(origin(text).is_ok(), is_one, "{text}");
        }
    }

    #[test]
    fn a_model_may_have_a_name() {
        let parse = |text: &str| {
            let named = text.parse::<NamedModel>();
            named.map(|named| (named.name, named.path.display().to_string()))
        };
        assert_eq!(parse("runs/a"), Ok((None, "runs/a".into())));
        assert_eq!(parse("eça=runs/a=b"), Ok((Some("eça".into()), "runs/a=b".into())));
        assert_eq!(parse("runs/a=b"), Ok((None, "runs/a=b".into())));
        assert!(parse("=runs/a").is_err() && parse("a=").is_err());
    }
}
