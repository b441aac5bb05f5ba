//! What a check of a token costs beside the bare signature, in a process of its own on the measured core.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use kernel::Clock;
use serde_json::{Value, json};
use verify::{Settings, Verifier};

use super::machine::Quiet;
use super::table::{Goal, Table};
use super::tokens::{ISSUER, Signer};
use super::{Plan, peers, say};

/// Tokens that are seen for the first time in a turn: as many as a verifier remembers by default.
const TOKENS: u64 = 10_000;
/// How often each of them is shown again.
const AGAIN: usize = 20;

/// Nanoseconds.
#[derive(Clone, Copy)]
pub struct Checking {
    pub signature: f64,
    pub first: f64,
    pub repeated: f64,
}

/// A token that is seen for the first time, and one that was seen before.
pub async fn rows(plan: Plan, quiet: &mut Quiet, table: &mut Table) -> Result<()> {
    let mut best: Option<Checking> = None;
    for turn in 1..=plan.turns {
        say(&format!("checks of tokens: turn {turn}"));
        quiet.wait().await?;
        let seen = peers::measure_checks().await?;
        best = Some(best.map_or(seen, |best| best.least(seen)));
    }
    let Checking { signature, first, repeated } = best.context("no token was checked")?;
    let nanos = |value: f64| Goal { seen: format!("{value:.0} ns"), wanted: String::new(), met: true };
    let beside = |value: f64| Goal {
        seen: format!("{:.2} × the signature", value / signature),
        wanted: String::new(),
        met: true,
    };
    table.plain("Ed25519 signature of a token verified, no more", &[nanos(signature)]);
    table.plain("`verify`: a token seen for the first time", &[nanos(first), beside(first)]);
    table.plain("`verify`: a token seen before", &[nanos(repeated), beside(repeated)]);
    Ok(())
}

impl Checking {
    /// A neighbour can only add to any of them.
    fn least(self, other: Self) -> Self {
        Self {
            signature: self.signature.min(other.signature),
            first: self.first.min(other.first),
            repeated: self.repeated.min(other.repeated),
        }
    }
}

/// Reads what the process reported.
pub fn read(report: &Value) -> Result<Checking> {
    let number = |name: &str| report[name].as_f64().with_context(|| format!("the checks did not report {name}"));
    Ok(Checking { signature: number("signature")?, first: number("first")?, repeated: number("repeated")? })
}

/// Measures, and says what was seen on standard output.
pub fn report() -> Result<()> {
    let Checking { signature, first, repeated } = measure()?;
    println!("{}", json!({"signature": signature, "first": first, "repeated": repeated}));
    Ok(())
}

fn measure() -> Result<Checking> {
    let signer = Signer::ed_dsa()?;
    let tokens: Vec<String> = (0..TOKENS).map(|number| signer.token(number)).collect::<Result<_>>()?;
    let verifier = Verifier::new(Settings::new(ISSUER));
    verifier.set_keys(signer.jwks()?.as_bytes())?;
    let now = Clock::system().now().unix_seconds();
    let check = |tokens: &[String]| {
        let begun = Instant::now();
        for token in tokens {
            if verifier.check(black_box(token), now).is_err() {
                bail!("a good token was refused");
            }
        }
        Ok(begun.elapsed().as_nanos() as f64 / tokens.len() as f64)
    };
    let signature = bare_signature(&signer, tokens.len())?;
    let first = check(&tokens)?;
    // The cache may have forgotten some of so many: the last thousand are all there.
    let known = &tokens[tokens.len() - 1_000..];
    check(known)?;
    let before = verifier.stats(now).accepted_new;
    let mut repeated = f64::MAX;
    for _ in 0..AGAIN {
        repeated = repeated.min(check(known)?);
    }
    if verifier.stats(now).accepted_new != before {
        bail!("tokens that should have been known were checked anew");
    }
    Ok(Checking { signature, first, repeated })
}

/// The signature of a text as long as a token's, verified with a key that was read before.
fn bare_signature(signer: &Signer, times: usize) -> Result<f64> {
    let Signer::EdDsa(pair) = signer else { bail!("the bare check is of Ed25519") };
    let public = ParsedPublicKey::new(&ED25519, Ed25519KeyPair::public_key(pair).as_ref())
        .map_err(|_| anyhow!("the public key is none"))?;
    let token = signer.token(0)?;
    let (message, _) = token.rsplit_once('.').context("a token has no signature")?;
    let signature = pair.sign(message.as_bytes());
    let begun = Instant::now();
    for _ in 0..times {
        if public.verify_sig(black_box(message.as_bytes()), signature.as_ref()).is_err() {
            bail!("a good signature was refused");
        }
    }
    Ok(begun.elapsed().as_nanos() as f64 / times as f64)
}
