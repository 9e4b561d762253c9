import puppeteer from "puppeteer-core";
const [page, prefix, ...rest] = process.argv.slice(2);
const b = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const w of [1280, 390]) { const p = await b.newPage(); await p.setViewport({ width: w, height: 1600, deviceScaleFactor: 1 }); await p.goto("file://" + page); console.log(w, await p.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.scrollHeight])); await p.screenshot({ path: `${prefix}-${w}.png`, clip: { x: 0, y: Number(rest[0] ?? 0), width: w, height: 1600 }, captureBeyondViewport: true }); }
await b.close();
