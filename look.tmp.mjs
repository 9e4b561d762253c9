import puppeteer from "puppeteer-core";
const b = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const p = await b.newPage(); await p.setViewport({ width: 1280, height: 1600 });
await p.goto("file://" + process.argv[2]);
const t = await p.evaluate(() => document.body.innerText);
console.log(t.slice(Number(process.argv[3] ?? 0), Number(process.argv[4] ?? 9000)));
await b.close();
