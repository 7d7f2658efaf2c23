// Before each file of tests. A table of processes in a test reaps every child of its program from then on, as an agent does.
// Other files of the same program start children with Node, which would then miss their ends now and then: an agent or a
// command that has ended seems to hang.

import { afterAll } from "vitest";

afterAll(() => void process.removeAllListeners("SIGCHLD"));
