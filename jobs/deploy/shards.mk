# All shards of a job on this machine with make, then finish: make -f shards.mk -j 4 JOB=job.yaml SHARDS=8
# A shard that ends with a permanent code is not run again, with any other one it is tried TRIES times, WAIT seconds apart.
# What failed does not keep finish from its work: it names what is missing.
GRAPHSCORE ?= graphscore
JOB        ?= job.yaml
PLAN       ?= plan.json
SHARDS     ?= 8
TRIES      ?= 4
WAIT       ?= 10
PERMANENT  := 1 3 4 64 65 66 70 73 76 77 78
# $(call quoted,NAME) is the value of a variable as one word of the shell, with its blanks, quotes and dollars.
given       = $(if $(filter command environment,$(firstword $(origin $1))),$(value $1),$($1))
quoted      = '$(subst ','\'',$(call given,$1))'
shards     := $(patsubst %,shard-%,$(shell seq 0 $$(($(SHARDS) - 1))))

.DEFAULT_GOAL := finish
.PHONY: finish plan $(shards)

finish: $(shards)
	@$(GRAPHSCORE) finish $(call quoted,JOB) --plan $(call quoted,PLAN) --shards $(SHARDS) || \
	  { code=$$?; echo "finish ended with $$code, which make turns into 2" >&2; exit $$code; }

$(shards): shard-%: plan
	-@try=1; while $(GRAPHSCORE) run $(call quoted,JOB) --plan $(call quoted,PLAN) --workers 1 --quiet --shard $*/$(SHARDS); code=$$?; \
	  case " 0 $(PERMANENT) " in *" $$code "*) exit $$code ;; esac; [ $$try -lt $(TRIES) ] || exit $$code; do \
	  try=$$((try + 1)); sleep $(WAIT); \
	done

plan:
	@$(GRAPHSCORE) plan $(call quoted,JOB) --out $(call quoted,PLAN)
