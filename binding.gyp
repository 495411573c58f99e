# The native addon. Only native/ is compiled: tests and fuzzers have their own build (scripts/native-tests.mjs).
# Node's own common.gypi already turns exceptions and RTTI off; both are said again because the sources rely on it.
{
  'target_defaults': {
    'default_configuration': 'Release',
  },
  'targets': [
    {
      'target_name': 'hornet',
      'sources': [
        '<!@(node -p "[\'base\',\'log\',\'static\',\'loop\',\'net\',\'tls\',\'http\',\'http2\',\'ring\',\'server\',\'addon\'].flatMap((room)=>fs.readdirSync(\'native/\'+room).filter((name)=>name.endsWith(\'.cc\')).sort().map((name)=>\'native/\'+room+\'/\'+name)).join(\' \')")',
      ],
      'include_dirs': [
        'native',
        '<!(node -p "require(\'node-addon-api\').include_dir")',
      ],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        # A worker may be terminated while it loads the addon: then nothing can be thrown there any more, and
        # node-addon-api would end the process over that.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags': [
        '-Wall',
        '-Wextra',
        '-fvisibility=hidden',
        '-fno-omit-frame-pointer',
        '-fstack-protector-strong',
      ],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-frtti', '-fexceptions'],
      'cflags_cc': [
        '-std=c++20',
        '-O3',
        '-fno-exceptions',
        '-fno-rtti',
        '-fvisibility-inlines-hidden',
        # node-addon-api's class templates leave parameters unused.
        '-Wno-unused-parameter',
      ],
      'conditions': [
        ['OS=="linux"', {
          # Distributions preset other levels; undefine first so that the compiler does not warn.
          'cflags': ['-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2', '-fstack-clash-protection'],
          'ldflags': [
            '-Wl,-z,relro,-z,now,-z,noexecstack',
            '-Wl,--gc-sections',
            # The C++ library travels inside, hidden, so that a prebuilt binary does not ask for the build machine's.
            # libgcc_s stays outside: node needs it anyway, and a static one would raise the glibc that we need.
            '-static-libstdc++',
            '-Wl,--exclude-libs,ALL',
          ],
        }],
        ['OS=="linux" and target_arch=="x64"', {
          'cflags': ['-fcf-protection'],
        }],
        ['OS=="mac"', {
          'xcode_settings': {
            'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
            'CLANG_CXX_LIBRARY': 'libc++',
            'GCC_ENABLE_CPP_EXCEPTIONS': 'NO',
            'GCC_ENABLE_CPP_RTTI': 'NO',
            'GCC_OPTIMIZATION_LEVEL': '3',
            'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
            'MACOSX_DEPLOYMENT_TARGET': '11.0',
            'OTHER_CFLAGS': ['-fno-omit-frame-pointer', '-fstack-protector-strong'],
          },
        }],
      ],
    },
  ],
}
