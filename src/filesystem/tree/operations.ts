// The operations of file threads for whole directories.

import { openTree, openTreeFile, readTreeFolder } from "./read-tree.ts";
import { openUnpackRoot, unpackEntries } from "./unpack-entries.ts";

export const treeOperations = { openTree, openTreeFile, openUnpackRoot, readTreeFolder, unpackEntries };
