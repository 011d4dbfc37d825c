export { startRadioBridge } from "./start-radio-bridge.ts";
export { startDemoRadio, type DemoRadio, type DemoRadioOptions } from "./demo/demo-radio.ts";
