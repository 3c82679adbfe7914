
for (const command of document.querySelectorAll(".cmd")) {
  const code = command.firstElementChild;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy the command");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    document.getElementById("copied").textContent = "The command was copied.";
    setTimeout(() => {
      button.textContent = "Copy";
      document.getElementById("copied").textContent = "";
    }, 1500);
  });
  command.append(button);
}

addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
