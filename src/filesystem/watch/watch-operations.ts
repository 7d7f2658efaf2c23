// Operations of watches.

import { armNearest, armTree } from "./arm-tree.ts";

export const watchOperations = { armTree, armNearest };
