// A page whose code is loaded when it is opened for the first time.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { sayError } from "../session/state.ts";
import { strings } from "../strings.ts";

export function lazyPage<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): ComponentType<Props> {
  let loaded: ComponentType<Props> | undefined;
  return function LazyPage(props: Props) {
    const [, setReady] = useState(loaded !== undefined);
    useEffect(() => {
      if (loaded !== undefined) return;
      load().then((page) => {
        loaded = page;
        setReady(true);
      }, sayError);
    }, []);
    const Loaded = loaded;
    return Loaded === undefined ? <p class="center quiet">{strings.connecting}</p> : <Loaded {...props} />;
  };
}
