// The operations of file threads for whole directories.

import { openTree, openTreeFiles, readTreeFolder } from "./read-tree.ts";
import { openUnpackRoot, unpackEntries } from "./unpack-entries.ts";

export const treeOperations = { openTree, openTreeFiles, openUnpackRoot, readTreeFolder, unpackEntries };
