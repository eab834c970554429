// Screenshots of TensorBoard itself, for docs/tensorboard.md:
//
//   npm install --prefix FOLDER --ignore-scripts @sparticuz/chromium puppeteer-core
//   NODE_PATH=FOLDER/node_modules node docs/results/screenshots.mjs RUNS docs/pictures
//
// RUNS holds the folders `seeds` (docs/studies/seeds.py), `search_quickstart`, `sampling_digits`
// and `evolution_digits` (the searches on digits), or those of them whose pictures are taken;
// `tensorboard` is on the path.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const load = async (name) => {
  const path = createRequire(join(process.env.NODE_PATH ?? ".", "x.js")).resolve(name);
  return (await import(path)).default;
};
const chromium = await load("@sparticuz/chromium");
const puppeteer = await load("puppeteer-core");

const PAGES = [
  ["tensorboard_hparams", "seeds", "hparams", 1300],
  ["tensorboard_training", "seeds/dag_2_21_112_seed_0", "custom_scalars", 1300],
  ["tensorboard_pruning", "search_quickstart", "images", 1100],
  ["tensorboard_sampling", "sampling_digits", "images", 700],
  ["tensorboard_evolution", "evolution_digits", "images", 1200],
];
const [runs, output] = process.argv.slice(2);
const sleep = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

async function wait(url) {
  for (let tries = 0; tries < 240; tries += 1) {
    const runs = await fetch(`${url}/data/runs`).then((answer) => answer.json()).catch(() => []);
    if (runs.length) return;
    await sleep(0.5);
  }
  throw new Error(`${url} shows no run`);
}

const browser = await puppeteer.launch({
  args: chromium.args, executablePath: await chromium.executablePath(), headless: "shell",
});
for (const [index, [name, folder, tab, height]] of PAGES.entries()) {
  if (!existsSync(join(runs, folder))) continue;
  const url = `http://localhost:${6106 + index}`;
  const server = spawn("tensorboard", ["--logdir", join(runs, folder), "--port", `${6106 + index}`]);
  try {
    await wait(url);
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height });
    await page.goto(`${url}/#${tab}`);
    await sleep(15);
    if (tab === "hparams") {
      const frame = page.frames().at(-1);
      await frame.evaluate(() => {
        const all = (root) => [...root.querySelectorAll("*")].flatMap(
          (one) => [one, ...(one.shadowRoot ? all(one.shadowRoot) : [])]);
        all(document).find((one) => one.localName === "paper-tab"
          && one.textContent.includes("PARALLEL"))?.click();
      });
      await sleep(5);
    }
    await page.screenshot({ path: join(output, `${name}.png`) });
    await page.close();
    console.log(`${name}.png`);
  } finally {
    server.kill();
  }
}
await browser.close();
