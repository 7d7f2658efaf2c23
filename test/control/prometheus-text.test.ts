// The text that Prometheus reads, line by line.

import { expect, test } from "vitest";
import { histogramSamples, prometheusText } from "../../src/control/prometheus-text.ts";

test("a metric is its help, its type and one line for each sample", () => {
  const text = prometheusText([
    { name: "a_total", help: "First.", type: "counter", samples: [{ value: 3 }] },
    {
      name: "b",
      help: "Second.",
      type: "gauge",
      samples: [
        { labels: { state: "running", of: 7 }, value: 0.5 },
        { labels: { state: "ended", of: 7 }, value: Number.NaN },
      ],
    },
  ]);
  expect(text).toBe(`# HELP a_total First.
# TYPE a_total counter
a_total 3

# HELP b Second.
# TYPE b gauge
b{state="running",of="7"} 0.5
b{state="ended",of="7"} NaN
`);
});

test("quotes, backslashes and line breaks in labels and help are escaped", () => {
  const text = prometheusText([
    {
      name: "a",
      help: 'a "quoted"\nback\\slash',
      type: "gauge",
      samples: [{ labels: { name: 'x"\\\n' }, value: 1 }],
    },
  ]);
  expect(text).toBe('# HELP a a "quoted"\\nback\\\\slash\n# TYPE a gauge\na{name="x\\"\\\\\\n"} 1\n');
});

test("a histogram has a bucket for each bound, one for everything, a sum and a count", () => {
  const samples = histogramSamples(
    { bounds: [0.1, 1], cumulative: [2, 3], count: 4, sum: 9.5 },
    { kind: "x" },
  );
  const text = prometheusText([{ name: "h", help: "H.", type: "histogram", samples }]);
  expect(text.split("\n").slice(2)).toEqual([
    'h_bucket{le="0.1",kind="x"} 2',
    'h_bucket{le="1",kind="x"} 3',
    'h_bucket{le="+Inf",kind="x"} 4',
    'h_sum{kind="x"} 9.5',
    'h_count{kind="x"} 4',
    "",
  ]);
});

test("infinite values are written as Prometheus spells them", () => {
  const samples = [{ value: Number.POSITIVE_INFINITY }, { value: Number.NEGATIVE_INFINITY }];
  const text = prometheusText([{ name: "a", help: "A.", type: "gauge", samples }]);
  expect(text).toContain("a +Inf\na -Inf\n");
});
