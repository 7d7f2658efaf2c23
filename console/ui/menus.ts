// Menus are details elements, which stay open until their summary is clicked again. Here a click
// elsewhere and Esc close them also.

export function closeMenus(): void {
  const closeExcept = (target: EventTarget | null) => {
    for (const menu of document.querySelectorAll("details.menu[open]"))
      if (!(target instanceof Node) || !menu.contains(target)) menu.removeAttribute("open");
  };
  addEventListener("pointerdown", ({ target }) => closeExcept(target), { capture: true });
  addEventListener("keydown", ({ key, target }) => {
    if (key !== "Escape") return;
    const menu = target instanceof Element ? target.closest("details.menu[open]") : null;
    closeExcept(null);
    menu?.querySelector("summary")?.focus();
  });
}
