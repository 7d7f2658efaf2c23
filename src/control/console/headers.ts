// The headers of the console's files: they limit what the page may load and do, and which pages may
// frame it. The page shows output of untrusted programs, so everything that it does not need is
// off.

/** For index.html. `nonce` allows the style elements that the terminal makes. */
export function pageHeaders(
  nonce: string,
  frameAncestors: readonly string[],
): Readonly<Record<string, string>> {
  return { ...fileHeaders(frameAncestors), "Content-Security-Policy": policy(nonce, frameAncestors) };
}

/** For every other file: the same policy without a nonce, so that no file is a page of its own. */
export function fileHeaders(frameAncestors: readonly string[]): Readonly<Record<string, string>> {
  return {
    "Content-Security-Policy": policy(undefined, frameAncestors),
    // Browsers that know frame-ancestors ignore it, and it cannot name origins.
    ...(frameAncestors.length === 0 ? { "X-Frame-Options": "DENY" } : {}),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS,
  };
}

function policy(nonce: string | undefined, frameAncestors: readonly string[]): string {
  const styles = nonce === undefined ? "'self'" : `'self' 'nonce-${nonce}'`;
  const ancestors = frameAncestors.length === 0 ? "'none'" : frameAncestors.join(" ");
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src ${styles}`,
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    `frame-ancestors ${ancestors}`,
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

/** Everything that browsers ask permission for, except writing to the clipboard. */
const PERMISSIONS = [
  ...[
    "accelerometer",
    "autoplay",
    "camera",
    "clipboard-read",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "usb",
    "window-management",
    "xr-spatial-tracking",
  ].map((name) => `${name}=()`),
  "clipboard-write=(self)",
].join(", ");
