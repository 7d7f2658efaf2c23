// The order of the test files: those that take longest first, so that all cores are busy until the end. Vitest
// knows the durations of its last run on this machine, but in a fresh clone it starts with the largest files.

import { BaseSequencer, type TestSpecification } from "vitest/node";
import { longTestFiles } from "./long-tests.ts";

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const place = ({ moduleId }: TestSpecification) => {
      const index = longTestFiles.indexOf(moduleId);
      return index < 0 ? longTestFiles.length : index;
    };
    return sorted.toSorted((a, b) => place(a) - place(b));
  }
}
