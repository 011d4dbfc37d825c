export { startMedia } from "./media-role.ts";
