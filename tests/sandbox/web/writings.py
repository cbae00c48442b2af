"""What people, reports and training runs wrote in the story."""

BODY = """\
Twenty epochs stop while the loss still falls. This doubles them and leaves the rest alone.

- [x] `dvc repro` runs through
- [x] metrics are compared with `main`
- [ ] somebody looks at the confusion matrix

Closes the question from last week.
"""
QUESTION = "Does it still fit on a **T4**? The last run was close to the limit :)\n\n> 14.2 of 15.0 GiB"
PLOT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 200" width="560" height="200"
 font-family="sans-serif" font-size="11">
<rect width="560" height="200" rx="8" fill="#fffaf0"/>
<path d="M40 20v150h500" fill="none" stroke="#9a8b73"/>
<path d="M40 40C100 120 160 138 230 146S420 158 540 161" fill="none" stroke="#0b6a6c" stroke-width="2.5"/>
<path d="M40 52C110 122 170 136 290 142" fill="none" stroke="#d98f2b" stroke-width="2.5" stroke-dasharray="5 4"/>
<g fill="#5d5140"><text x="470" y="150">this branch</text><text x="296" y="138">main</text>
<text x="44" y="188">epoch 0</text><text x="505" y="188">40</text><text x="8" y="30">loss</text></g>
</svg>
"""
REPORT = """\
<!-- runnerkit report: train -->
## Training report

Trained on **g4dn.xlarge** spot in `eu-central-1b` for 2 m 41 s: **$0.0083**.

| metric | main | this branch | change |
| :-- | --: | --: | --: |
| accuracy | 0.962 | **0.974** | +0.012 |
| f1 (macro) | 0.955 | **0.969** | +0.014 |
| loss | 0.141 | **0.097** | &minus;0.044 |

<img src="/acme/train-and-serve/raw/longer-training/plots/loss.svg" alt="Loss by epoch" width="560">

<details><summary>Parameters that differ</summary>

| parameter | main | this branch |
| :-- | --: | --: |
| `train.epochs` | 20 | 40 |
| `train.seed` | 7 | 7 |

</details>

> [!NOTE]
> The model was pushed to the DVC remote; `dvc pull` brings it.

<sub>Updated in place by the job <a href="/acme/train-and-serve/actions">train</a>.</sub>
"""
SUMMARY = """\
### Data

| split | rows | share |
| :-- | --: | --: |
| train | 1&thinsp;437 | 80 % |
| test | 360 | 20 % |

All checksums match; ~~nothing~~ **two** files came from the run cache.
"""
TRAIN_LOG = """\
2026-11-22T11:14:08.1000000Z ##[group]Run runnerkit dvc run train
2026-11-22T11:14:08.1000000Z \x1b[36;1mexec runnerkit dvc run train\x1b[0m
2026-11-22T11:14:08.1000000Z shell: /usr/bin/bash -e {0}
2026-11-22T11:14:08.1000000Z env:
2026-11-22T11:14:08.1000000Z   DVC_REMOTE: s3://models
2026-11-22T11:14:08.1000000Z ##[endgroup]
2026-11-22T11:14:10.3000000Z Pulling what earlier runs made \x1b[2m(3 files, 41 MB)\x1b[0m
2026-11-22T11:14:12.7000000Z \x1b[32m✓\x1b[0m prepare is up to date
2026-11-22T11:14:12.9000000Z Running stage \x1b[1m'train'\x1b[0m on \x1b[33mTesla T4\x1b[0m
2026-11-22T11:14:14.0000000Z ##[warning]The learning rate is higher than usual: 0.003
""" + "".join(
    f"2026-11-22T11:14:{14 + epoch:02d}.2000000Z epoch {epoch}/40  loss \x1b[36m{0.9 / epoch + 0.08:.4f}\x1b[0m"
    f"  accuracy \x1b[32m{1 - 0.5 / (epoch + 1):.4f}\x1b[0m\n"
    for epoch in range(1, 18)
)
BROKEN = """\
name: nightly
on:
  schedule:
    - cron: "17 3 * * *"
  push:

jobs:
  train:
    runs_on: runnerkit=nightly/gpu=t4
    steps:
      - uses: actions/checkout@v5
      - run: runnerkit dvc run
"""
