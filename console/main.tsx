// The entry of the page. First, before any other code makes a style element: the policy of the page admits
// only those with its nonce.

import { render } from "preact";
import { App } from "./app/app.tsx";
import { beginPolling } from "./dashboard/processes.ts";
import { watchAttention } from "./session/attention.ts";
import { begin } from "./session/begin.ts";
import { followAddress } from "./session/state.ts";
import { beginStreams } from "./session/streams.ts";
import { closeMenus } from "./ui/menus.ts";
import { stampStyles } from "./ui/style-nonce.ts";

stampStyles();
closeMenus();
followAddress();
watchAttention();
beginStreams();
beginPolling();
void begin().then(followAddress);
const place = document.getElementById("app");
if (place !== null) render(<App />, place);
