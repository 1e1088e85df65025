// SPDX-License-Identifier: Apache-2.0
//! `perf-journal`: how fast this disk makes writes durable, with the two system calls the journal uses and no more.

use crate::configuration;
use crate::failure::{Failure, Outcome};
use crate::instance::{Instance, InstanceArgument};
use crate::say;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The bootstrap file. Default: etc/bootstrap.xml of the instance.
    #[arg(value_name = "configuration")]
    configuration: Option<PathBuf>,
    /// The block size for each write.
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=16_777_216))]
    block_size: u32,
    /// The number of writes to be performed in each try.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    writes: u32,
    /// The number of tries for the test.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    tries: u32,
    /// The file name to be used, in the journal's folder.
    #[arg(long, default_value = "test.tmp")]
    file: String,
    /// Enable syncs; they are, unless --no-sync is given.
    #[arg(long)]
    sync: bool,
    /// Disable syncs.
    #[arg(long)]
    no_sync: bool,
    /// Accepted: every write is waited for anyway, as if there was a single producer.
    #[arg(long)]
    sync_writes: bool,
    /// The folder of the journal. Default: read from broker.xml, or the current folder without an instance.
    #[arg(long)]
    journal: Option<PathBuf>,
    /// Accepted: the calls measured are the same for every type.
    #[arg(long)]
    journal_type: Option<String>,
    #[arg(long, hide = true)]
    max_aio: Option<u32>,
    #[arg(long, hide = true)]
    broker: Option<PathBuf>,
    #[arg(long, hide = true)]
    bindings: Option<PathBuf>,
    #[arg(long, hide = true)]
    large_messages: Option<PathBuf>,
    #[arg(long, hide = true)]
    paging: Option<PathBuf>,
    #[arg(long = "f", hide = true)]
    force: bool,
    /// Print every try.
    #[arg(long)]
    verbose: bool,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    instance: InstanceArgument,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    pub block_size: usize,
    pub writes: usize,
    pub sync: bool,
}

/// Latencies of single writes, each until it is durable; ascending. Never empty.
#[derive(Debug)]
pub struct Latencies(Vec<Duration>);

pub fn perf_journal(arguments: &Arguments) -> Outcome {
    let folder = journal_folder(arguments)?;
    let file = folder.join(&arguments.file);
    let measurement = Measurement {
        block_size: arguments.block_size as usize,
        writes: arguments.writes as usize,
        sync: !arguments.no_sync,
    };
    if !arguments.json {
        say!("Auto tuning journal ...");
        say!(
            "Performing {} tests writing {} blocks of {} on each test, sync={} in {}",
            arguments.tries,
            arguments.writes,
            arguments.block_size,
            measurement.sync,
            folder.display()
        );
    }
    let mut best = Vec::new();
    let mut all = Vec::new();
    for number in 1..=arguments.tries {
        let latencies =
            measure(&file, measurement).map_err(|error| Failure::io("measure", &file, &error))?;
        if arguments.verbose && !arguments.json {
            say!("Try {number}: {}", latencies.summary());
        }
        best.push(latencies.total());
        all.extend(latencies.0);
    }
    let all = Latencies::new(all);
    let best = best.into_iter().min().unwrap_or_default();
    if arguments.json {
        say!("{}", all.json(measurement, arguments.tries));
        return Ok(());
    }
    say!("{}", all.summary());
    let per_millisecond = writes_per_millisecond(measurement.writes, best);
    say!("Your system can execute {per_millisecond} writes per millisecond");
    say!(
        "Your journal-buffer-timeout should be:{}",
        buffer_timeout(measurement.writes, best)
    );
    Ok(())
}

fn journal_folder(arguments: &Arguments) -> Result<PathBuf, Failure> {
    if let Some(folder) = &arguments.journal {
        return Ok(folder.clone());
    }
    let Ok(instance) = Instance::find(&arguments.instance) else {
        return std::env::current_dir()
            .map_err(|error| Failure::io("find", Path::new("."), &error));
    };
    let broker_xml = match &arguments.broker {
        Some(path) => path.clone(),
        None => {
            let configuration = arguments.configuration.as_deref();
            instance.resolve(&instance.bootstrap(configuration)?.configuration)
        }
    };
    let loaded = configuration::broker(Some(&instance), &broker_xml)
        .map_err(|errors| Failure::remarks(&errors))?;
    let mut folder = instance.resolve(&loaded.settings.paths.journal);
    // Before the first start there is only the folder above, most often on the same disk.
    while !folder.is_dir() && folder.pop() {}
    Ok(folder)
}

/// Overwrites a file of zeroes block by block, each block made durable before the next, as a recycled journal segment
/// is written; the file is removed afterwards.
pub fn measure(path: &Path, measurement: Measurement) -> io::Result<Latencies> {
    let file = File::options().create_new(true).write(true).open(path)?;
    let measured = measure_file(&file, measurement);
    fs::remove_file(path)?;
    measured
}

fn measure_file(file: &File, measurement: Measurement) -> io::Result<Latencies> {
    let zeroes = vec![0; measurement.block_size];
    let block: Vec<u8> = (0..measurement.block_size)
        .map(|index| (index % 251) as u8)
        .collect();
    for index in 0..measurement.writes {
        file.write_all_at(&zeroes, (index * measurement.block_size) as u64)?;
    }
    // The file's length and blocks are settled before the clock starts: only data is left for fdatasync.
    file.sync_all()?;
    let mut latencies = Vec::with_capacity(measurement.writes);
    for index in 0..measurement.writes {
        let start = Instant::now();
        file.write_all_at(&block, (index * measurement.block_size) as u64)?;
        if measurement.sync {
            file.sync_data()?;
        }
        latencies.push(start.elapsed());
    }
    Ok(Latencies::new(latencies))
}

impl Latencies {
    fn new(mut latencies: Vec<Duration>) -> Self {
        assert!(!latencies.is_empty(), "at least one write is measured");
        latencies.sort_unstable();
        Self(latencies)
    }

    /// The latency that `per_mille` of the writes do not exceed.
    fn quantile(&self, per_mille: usize) -> Duration {
        let index = (self.0.len() * per_mille).div_ceil(1000).max(1) - 1;
        self.0[index.min(self.0.len() - 1)]
    }

    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }

    fn summary(&self) -> String {
        let figures = [
            ("p50", 500),
            ("p90", 900),
            ("p99", 990),
            ("p99.9", 999),
            ("max", 1000),
        ];
        let texts = figures
            .map(|(name, per_mille)| format!("{name} {}", microseconds(self.quantile(per_mille))));
        let mean = self.total() / u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        format!(
            "write+fdatasync: min {}, {}, mean {}",
            microseconds(self.0[0]),
            texts.join(", "),
            microseconds(mean)
        )
    }

    fn json(&self, measurement: Measurement, tries: u32) -> String {
        let figures = [
            ("p50", 500),
            ("p90", 900),
            ("p99", 990),
            ("p999", 999),
            ("max", 1000),
        ];
        let texts = figures.map(|(name, per_mille)| {
            format!("\"{name}_ns\":{}", self.quantile(per_mille).as_nanos())
        });
        format!(
            "{{\"block_size\":{},\"writes\":{},\"tries\":{tries},\"sync\":{},\"min_ns\":{},{}}}",
            measurement.block_size,
            measurement.writes,
            measurement.sync,
            self.0[0].as_nanos(),
            texts.join(",")
        )
    }
}

fn microseconds(latency: Duration) -> String {
    format!("{:.1} us", latency.as_secs_f64() * 1e6)
}

/// With two digits where it is not whole, as the Java tool prints it.
pub fn writes_per_millisecond(writes: usize, total: Duration) -> String {
    let rate = writes as f64 / (total.as_secs_f64() * 1e3).max(1e-6);
    let text = format!("{rate:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Nanoseconds of one write.
pub fn buffer_timeout(writes: usize, total: Duration) -> u128 {
    total.as_nanos() / (writes.max(1) as u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_latencies_that_were_measured() {
        let latencies = Latencies::new((1..=100).rev().map(Duration::from_micros).collect());
        let rows = [(500, 50), (990, 99), (999, 100), (1000, 100), (1, 1)];
        for (per_mille, micros) in rows {
            assert_eq!(
                latencies.quantile(per_mille),
                Duration::from_micros(micros),
                "{per_mille}"
            );
        }
    }

    #[test]
    fn rates_are_printed_as_the_java_tool_does() {
        assert_eq!(writes_per_millisecond(250, Duration::from_millis(25)), "10");
        assert_eq!(
            writes_per_millisecond(1042, Duration::from_millis(100)),
            "10.42"
        );
        assert_eq!(buffer_timeout(250, Duration::from_millis(25)), 100_000);
    }
}
