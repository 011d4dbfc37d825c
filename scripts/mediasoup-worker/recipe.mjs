// What is compiled and how. Everything that changes the binary is here or in shims/, and is hashed into its cache key.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Debian packages that the build needs. */
export const BUILD_PACKAGES = [
  "g++",
  "pkg-config",
  "libuv1-dev",
  "libssl-dev",
  "libsrtp2-dev",
  "libabsl-dev",
  "libflatbuffers-dev",
  "flatbuffers-compiler",
];

export const COMPILER_FLAGS = [
  "-std=c++20",
  "-O2",
  "-w",
  "-DNDEBUG",
  "-DMS_LITTLE_ENDIAN",
  "-DFLATBUFFERS_LOCALE_INDEPENDENT=1",
  "-DMS_EXECUTABLE",
];

/** As `worker/fbs/FBS/meson.build` has them. */
export const FLATC_FLAGS = [
  "--cpp",
  "--cpp-field-case-style",
  "lower",
  "--reflect-names",
  "--scoped-enums",
  "--filename-suffix",
  "",
];

export const PKG_CONFIG_MODULES = ["absl_strings", "absl_flat_hash_map", "absl_base", "absl_optional"];
export const LIBRARIES = ["-lsrtp2", "-lssl", "-lcrypto", "-lflatbuffers", "-luv", "-lpthread", "-ldl"];

/**
 * `onSslBioOut` compares where it must test a bit, so it answers 1 to every BIO control. A libssl with KTLS (Debian's)
 * then believes that the kernel encrypts, allocates no write buffer, and the worker dies at the first ClientHello.
 */
export const PATCHES = [
  {
    file: "src/RTC/DtlsTransport.cpp",
    from: "(operationType == BIO_CB_RETURN) ? static_cast<long>(ret) : 1",
    to: "(operationType & BIO_CB_RETURN) ? static_cast<long>(ret) : 1",
  },
];

/** Source files relative to `worker/`, read from the package's own meson files so that a new version needs no new list. */
export function listSources(workerDir) {
  const main = readFileSync(join(workerDir, "meson.build"), "utf8");
  const webrtc = readFileSync(join(workerDir, "deps/libwebrtc/meson.build"), "utf8");
  return [
    ...mesonList(main, /^common_sources = \[/m),
    ...mesonList(main, /^if not get_option\('ms_use_builtin_bwe'\)\s+common_sources \+= \[/m),
    "src/main.cpp",
    ...mesonList(webrtc, /^libwebrtc_sources = \[/m).map((file) => `deps/libwebrtc/${file}`),
  ];
}

function mesonList(text, opening) {
  const start = opening.exec(text);
  if (!start) throw new Error(`mediasoup's meson files have changed: ${opening} is not there`);
  const rest = text.slice(start.index + start[0].length);
  const items = rest.slice(0, rest.indexOf("]")).match(/'[^']+'/g) ?? [];
  return items.map((item) => item.slice(1, -1));
}
