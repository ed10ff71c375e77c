// Elements are written as tagged templates: html`<p>${text}</p>`. What stands in ${} is text, never markup.

import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
export { render, Fragment } from "preact";
export { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
