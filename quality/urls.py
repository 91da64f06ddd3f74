"""Pages about what the answers say."""

from django.urls import path

from quality.views import audit, batches, quiz

urlpatterns = [
    path("studio/batches/<uuid:batch_id>/", batches.studio_batch, name="studio_batch"),
    path("studio/batches/<uuid:batch_id>/now/", batches.studio_batch_now, name="studio_batch_now"),
    path("studio/batches/<uuid:batch_id>/upload/", batches.batch_upload, name="batch_upload"),
    path("studio/batches/<uuid:batch_id>/results/", batches.studio_results, name="studio_results"),
    path("studio/batches/<uuid:batch_id>/export/", batches.batch_export, name="batch_export"),
    path("studio/batches/<uuid:batch_id>/exports/", batches.batch_exports_now, name="batch_exports_now"),
    path("studio/exports/<uuid:operation_id>/", batches.export_file, name="export_file"),
    path("studio/batches/<uuid:batch_id>/<slug:act>/", batches.batch_act, name="batch_act"),
    path("audit/workers/", audit.audit_workers, name="audit_workers"),
    path("audit/workers/<uuid:worker_id>/", audit.audit_worker, name="audit_worker"),
    path("audit/workers/<uuid:worker_id>/decide/", audit.audit_decide, name="audit_decide"),
    path("audit/flags/<uuid:flag_id>/close/", audit.audit_close_flag, name="audit_close_flag"),
    path("quiz/<uuid:batch_id>/", quiz.quiz, name="quiz"),
    path("quiz/<uuid:batch_id>/start/", quiz.quiz_start, name="quiz_start"),
    path("quiz/<uuid:batch_id>/answer/", quiz.quiz_answer, name="quiz_answer"),
]
