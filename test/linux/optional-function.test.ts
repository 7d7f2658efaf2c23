// Functions that only some C libraries have: posix_spawn_file_actions_addchdir_np is not in glibc before 2.29.

import { expect, test } from "vitest";
import { optionalFunction } from "../../src/linux/libc.ts";

test("a function that the C library does not have is undefined", () => {
  expect(optionalFunction("int no_function_of_any_libc(int value)")).toBeUndefined();
});

test("a function that the C library has is called", () => {
  expect(optionalFunction("int abs(int value)")?.(-3)).toBe(3);
});
